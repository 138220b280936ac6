"""Golden bags, recorded in the cell by our own recorder, against their references.

Each folder of golden/ holds the episode `bag` and `reference.json`, which says what it was
replayed with (late_inference: --processing-ms 40 --jitter-ms /policy/chunk=90 --seed 1). The
policy is the shipped one of the recorded task. All references are made anew by

    python -m tests.replay.renew_references
"""

from pathlib import Path

import pytest

from dp_ros.data import episode, topic_names
from dp_ros.data.bag import open_bag
from dp_ros.paths import share
from dp_ros.replay import guards, reference, replay

GOLDEN = Path(__file__).parent / 'golden'
# An action may differ by half a millimetre where another processor adds up in another order.
TOLERANCE = 5e-4
LARGEST_BYTES = 1_000_000

NAMES = {
    'normal', 'stale_camera', 'late_inference', 'limit_hit', 'protective_stop', 'intervention',
}  # fmt: skip
folders = sorted(path.parent for path in GOLDEN.glob('*/reference.json'))


def test_every_scenario_is_there():
    assert {folder.name for folder in folders} == NAMES


@pytest.mark.parametrize(
    ('name', 'shown'),
    [
        ('stale_camera', '"the chunks ran out'),
        ('late_inference', '"late": 3'),
        ('limit_hit', '"TCP speed": 7'),
        ('protective_stop', 'protective stop'),
    ],
)
def test_a_reference_shows_what_its_scenario_is_about(name, shown):
    assert shown in (GOLDEN / name / 'reference.json').read_text()


def test_the_recording_tells_who_was_in_command():
    with open_bag(GOLDEN / 'intervention' / 'bag') as bag:
        modes = [message.message().data for message in bag.messages({topic_names.MODE})]
    assert modes == ['idle', 'policy', 'teleoperated', 'policy', 'idle']


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
