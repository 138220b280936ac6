"""Golden bags, recorded in the cell by our own recorder, against their references.

Each folder of golden/ holds the episode `bag` and `reference.json`, which says what it was
replayed with. The policy is the shipped one of the recorded task. To make one anew:

    dp-ros replay tests/replay/golden/NAME/bag --lockstep --checkpoint models/TASK \
        --reference tests/replay/golden/NAME/reference.json --update-reference
"""

from pathlib import Path

import pytest

from dp_ros.data import episode
from dp_ros.paths import share
from dp_ros.replay import guards, reference, replay

GOLDEN = Path(__file__).parent / 'golden'
# An action may differ by half a millimetre where another processor adds up in another order.
TOLERANCE = 5e-4
LARGEST_BYTES = 1_000_000

# To the lead: once the references are in, assert here that there are six of them.
folders = sorted(path.parent for path in GOLDEN.glob('*/reference.json'))


@pytest.mark.parametrize('folder', folders, ids=lambda folder: folder.name)
def test_a_golden_bag_gives_what_it_gave(folder):
    kept = reference.read(folder / 'reference.json')
    task, _ = episode.settings(folder / 'bag')
    done = replay.run(folder / 'bag', share('models', task.name), reference.declared(kept))
    guards.require_substance(done, allow_refusals=False)
    assert reference.differences(kept, done, TOLERANCE) == []


@pytest.mark.parametrize('folder', folders, ids=lambda folder: folder.name)
def test_a_golden_bag_is_small(folder):
    assert sum(file.stat().st_size for file in folder.rglob('*')) < LARGEST_BYTES
