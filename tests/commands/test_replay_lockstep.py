"""dp-ros replay --lockstep, as a person types it."""

import json

import pytest

from tests.data import drawn_bags
from tests.replay.small import save_policy, task

MODES = ((0.0, 'policy'), (1.8, 'idle'))


def record(folder, made=None, **known):
    return drawn_bags.record(folder, made or task(), drawn_bags.robot(), 2.0, MODES, **known)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """(bag, checkpoint)"""
    folder = tmp_path_factory.mktemp('made')
    return record(folder / 'episode_0001'), save_policy(folder / 'small')


@pytest.fixture
def lockstep(made, tmp_path):
    """The command line up to the results; they go to `tmp_path`/out."""
    bag, policy = made
    return ('replay', bag, '--lockstep', '--checkpoint', policy, '-o', tmp_path / 'out')


def test_it_tells_what_happened_and_leaves_figures_and_a_picture(dp_ros, lockstep, tmp_path):
    code, told = dp_ros(*lockstep)
    assert code == 0, told
    for expected in (
        'episode_0001 against small',
        'policy, 0.00 to 1.80 s',
        '8 planned',
        '8 accepted',
        'position in mm',
        'executed',
    ):
        assert expected in told
    figures = json.loads((tmp_path / 'out' / 'lockstep.json').read_text())
    assert len(figures['chunks']) == 8
    assert (tmp_path / 'out' / 'replay.png').stat().st_size > 20_000


def test_a_reference_is_written_only_when_asked_for_and_a_regression_is_shown(
    dp_ros, lockstep, tmp_path
):
    reference = tmp_path / 'reference.json'
    judged = (*lockstep, '--reference', reference)
    code, told = dp_ros(*judged)
    assert (code, 'no such reference' in told, reference.exists()) == (1, True, False)
    assert dp_ros(*judged, '--update-reference')[0] == 0
    kept = reference.read_bytes()
    code, told = dp_ros(*judged, '--max-error', '1000')
    assert (code, 'as in the reference' in told) == (0, True)
    code, told = dp_ros(*judged, '--processing-ms', '120')
    assert code == 1
    for expected in ('processing_ns', '60000000', '120000000', 'splice_ms', 'are not as in'):
        assert expected in told
    assert reference.read_bytes() == kept


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        (('--max-error', '10'), '--max-error does nothing without --lockstep'),
        (('--reference', 'golden.json'), '--reference does nothing without --lockstep'),
        (('--lockstep', '--robot', 'my.yaml'), '--robot does nothing with --lockstep'),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(fails, tmp_path, given, expected):
    """A gate that says nothing would pass."""
    assert expected in fails('replay', tmp_path, '--checkpoint', tmp_path, *given)


def test_an_error_that_is_too_large_fails(fails, lockstep):
    told = fails(*lockstep, '--max-error', '10')
    assert '90th percentile of the first 2 steps' in told
    assert '--max-error allows 10' in told


def test_without_recorded_commands_there_is_no_error_to_judge(fails, made, tmp_path):
    bag = record(tmp_path / 'bag', keep=lambda topic, _t: topic != '/executor/command')
    told = fails(
        'replay', bag, '--lockstep', '--checkpoint', made[1], '-o', tmp_path, '--max-error', '1'
    )
    assert 'no prediction meets a recorded command' in told
    assert (tmp_path / 'replay.png').exists()


def test_trouble_is_injected_by_seed(dp_ros, lockstep, tmp_path):
    trouble = ('--jitter-ms', '30', '--drop', '0.1', '--latency-ms', '/policy/chunk=5')
    code, told = dp_ros(*lockstep, *trouble, '--seed', '1')
    assert code == 0, told
    assert 'dropped on purpose' in told
    once = (tmp_path / 'out' / 'lockstep.json').read_bytes()
    dp_ros(*lockstep, *trouble, '--seed', '1')
    assert (tmp_path / 'out' / 'lockstep.json').read_bytes() == once


def test_an_empty_pass_fails_and_leaves_its_figures(fails, lockstep, tmp_path):
    told = fails(*lockstep, '--drop', '1')
    assert 'gave no window to plan from: tcp: no sample has come' in told
    assert '/tcp_pose' in told
    assert json.loads((tmp_path / 'out' / 'lockstep.json').read_text())['chunks'] == []


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (('--drop', '2'), 'expected a number from 0 to 1'),
        (('--update-reference',), '--update-reference needs --reference FILE'),
        (('--reference', '/nowhere/reference.json'), 'no such reference'),
    ],
)
def test_options_that_make_no_sense_are_a_sentence(fails, lockstep, options, sentence):
    assert sentence in fails(*lockstep, *options)


def test_a_replay_needs_a_policy_and_one_of_the_same_task(fails, made, tmp_path):
    bag, policy = made
    assert '--checkpoint FOLDER' in fails('replay', bag, '--lockstep')
    other = record(tmp_path / 'other', task(rate_hz=20))
    told = fails('replay', other, '--lockstep', '--checkpoint', policy, '-o', tmp_path)
    assert 'they differ in rate_hz: 10.0 against 20.0' in told


def test_a_bag_that_is_not_there_is_a_sentence(fails, made, tmp_path):
    told = fails('replay', tmp_path / 'none', '--lockstep', '--checkpoint', made[1])
    assert 'none has no episode.yaml' in told


def test_a_place_that_cannot_be_written_is_a_sentence(fails, made, tmp_path):
    (tmp_path / 'file').write_text('')
    bag, policy = made
    told = fails(
        'replay', bag, '--lockstep', '--checkpoint', policy, '-o', tmp_path / 'file' / 'out'
    )
    assert str(tmp_path / 'file') in told
