"""Collection by call: what is frozen stays, what is new and forgotten goes."""

import gc
import weakref

import pytest

from dp_ros.nodes.garbage import FrozenGarbage


class Thing:
    """An object that refers to itself: only the collector can free it."""

    def __init__(self):
        self.me = self


@pytest.fixture
def garbage():
    made = FrozenGarbage()
    yield made
    made.thaw()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_garbage_waits_for_the_call(garbage):
    garbage.freeze()
    watched = [weakref.ref(Thing()) for _ in range(5000)]
    # Seven times the number that makes Python collect by itself.
    assert all(reference() is not None for reference in watched)
    garbage.collect()
    assert all(reference() is None for reference in watched)
    assert garbage.collected >= 5000


def test_what_lives_at_freezing_is_walked_no_more(garbage):
    for _ in range(3):
        garbage.freeze()
        assert gc.get_freeze_count() > 10_000
        # The rest is what this test and its runner made since: next to nothing.
        assert len(gc.get_objects()) < 2_000


def test_without_freezing_nothing_is_done(garbage):
    garbage.collect()
    assert garbage.collected == 0
    assert gc.isenabled()
