"""The way of a chunk is told from stamps that are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.end_to_end import CAMERAS, Planned, stages

MS = 1_000_000
SPLICE, END = 1000 * MS, 2000 * MS


def heard(**changes):
    """A chunk whose frames were captured at 660 and 680 ms."""
    known = {
        'arrivals': {
            CAMERAS[0]: [(600 * MS, 630 * MS), (660 * MS, 690 * MS)],
            # The newest one came after the window: it was not in it.
            CAMERAS[1]: [(680 * MS, 715 * MS), (699 * MS, 760 * MS)],
        },
        'planned': {SPLICE: Planned(700 * MS, 720 * MS, 750 * MS)},
        'accepted': {SPLICE: 758 * MS},
        'ends': {SPLICE: END},
        'schedules': {END: (SPLICE, END)},
        'commands': [(752 + 8 * i) * MS for i in range(100)],
    }
    return SimpleNamespace(**{**known, **changes})


def rules(lead_ms=0, foresight_s=0.0):
    limits = SimpleNamespace(foresight=lambda _: foresight_s)
    return SimpleNamespace(lead_ns=lead_ms * MS, period_s=0.008, limits=limits)


def test_each_stage_ends_where_the_next_begins():
    assert stages(heard(), rules()).tolist() == [[55, 5, 30, 8, 2]]


def test_what_is_committed_before_the_splice_is_played_first():
    committed = heard(schedules={END: (900 * MS, SPLICE, END)})
    assert stages(committed, rules()).sum() == 904 - 660
    # An arm that is led, and looks ahead, turns to it sooner.
    assert stages(committed, rules(lead_ms=50, foresight_s=0.01)).sum() == 840 - 660


def test_chunks_that_are_not_wholly_known_are_left_out():
    with pytest.raises(RuntimeError, match='no chunk'):
        stages(heard(planned={}), rules())
    both = heard(accepted={SPLICE: 758 * MS, END: 1758 * MS})
    assert np.shape(stages(both, rules())) == (1, 5)
