import json

import pytest

from dp_ros.replay import reference, replay
from dp_ros.replay.guards import ReplayError
from dp_ros.replay.injection import Injection, Link
from dp_ros.replay.reference import Difference
from dp_ros.replay.replay import Declared
from tests.data import drawn_bags
from tests.replay.small import MS, save_policy, task

TOLERANCE = 1e-4


@pytest.fixture(scope='module')
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp('reference')
    modes = ((0.0, 'policy'), (1.8, 'idle'))
    bag = drawn_bags.record(folder / 'bag', task(), drawn_bags.robot(), 2.0, modes)
    injection = Injection(Link(5 * MS), {'/policy/chunk': Link(jitter_ns=MS)}, 2)
    declared = Declared(2, 50 * MS, injection)
    return replay.run(bag, save_policy(folder / 'small'), declared)


@pytest.fixture
def kept(done, tmp_path):
    reference.write(done, tmp_path / 'reference.json')
    return reference.read(tmp_path / 'reference.json')


def test_what_was_written_agrees(done, kept):
    assert reference.differences(kept, done, TOLERANCE) == []
    assert reference.differences(kept, done, 0) == []


def test_a_replay_can_be_asked_for_again(done, kept):
    assert reference.declared(kept) == done.declared


def test_a_reference_is_small(done, tmp_path):
    reference.write(done, tmp_path / 'reference.json')
    assert (tmp_path / 'reference.json').stat().st_size < 20_000 * done.recording.end_ns / 1e9


def test_differences_name_chunk_field_and_both_values(done, kept):
    kept['chunks'][3]['splice_ms'] += 100
    kept['chunks'][3]['verdict'] = 'late'
    kept['verdicts'] = {'accepted': 7, 'late': 1}
    kept['seed'] = 1
    found = reference.differences(kept, done, TOLERANCE)
    splice = kept['chunks'][3]['splice_ms']
    assert found == [
        Difference('', 'seed', '1', '2', '+1'),
        Difference('', 'verdicts accepted', '7', '8', '+1'),
        Difference('', 'verdicts late', '1', 'nothing'),
        Difference('3', 'splice_ms', str(splice), str(splice - 100), '-100.0'),
        Difference('3', 'verdict', 'late', 'accepted'),
    ]


def test_of_many_numbers_the_one_that_is_furthest_off_stands_for_all(done, kept):
    for step, off in ((2, 0.001), (5, -0.002), (6, 0.00009)):
        kept['chunks'][1]['actions'][step][1] += off
    for row in kept['commands']:
        row[1] += 0.01
    actions, commands = reference.differences(kept, done, TOLERANCE)
    assert (actions.chunk, actions.field, actions.by) == (
        '1',
        'actions 5 y (largest of 2)',
        '+0.002',
    )
    assert commands.field.endswith(f'x (largest of {len(kept["commands"])})')
    assert commands.field.startswith('commands ')
    assert commands.by == '-0.01'
    assert reference.differences(kept, done, 0.011) == []


def test_a_chunk_too_few_is_told_once(done, kept):
    count = len(kept['chunks'])
    del kept['chunks'][-1]
    (missing,) = reference.differences(kept, done, TOLERANCE)
    assert missing == Difference('', 'chunks length', str(count - 1), str(count), '+1')


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        ('', 'cannot be read as a reference'),
        ('[1, 2]', 'is no reference of format 1'),
        ('{"format": 99}', 'is no reference of format 1'),
        ('{"format": 1}', 'holds nothing to compare with: no chunks and no commands'),
        ('{"format": 1, "chunks": [{}], "commands": []}', 'no commands'),
    ],
)
def test_a_reference_that_holds_nothing_is_refused(tmp_path, content, sentence):
    path = tmp_path / 'reference.json'
    path.write_text(content)
    with pytest.raises(ReplayError, match=sentence):
        reference.read(path)


def test_a_reference_that_is_not_there_says_how_to_make_it(tmp_path):
    with pytest.raises(ReplayError, match='--update-reference'):
        reference.read(tmp_path / 'nowhere.json')


def test_it_is_plain_json_a_row_a_line(done, tmp_path):
    path = tmp_path / 'reference.json'
    reference.write(done, path)
    lines = path.read_text().splitlines()
    assert json.loads(path.read_text())['format'] == 1
    assert sum(line.startswith('{"anchor_ms"') for line in lines) == len(done.outcome.planned)
