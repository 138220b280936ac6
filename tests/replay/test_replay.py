"""A whole replay with a real policy: the same bytes, the recorded windows, no empty passes."""

import itertools

import numpy as np
import pytest

from dp_ros import yamlfile
from dp_ros.data.bag import open_bag
from dp_ros.data.bag_repair import BagError
from dp_ros.data.bag_writer import TYPES, BagWriter
from dp_ros.learning.checkpoint_folder import CheckpointError
from dp_ros.replay import guards, replay, report
from dp_ros.replay.guards import ReplayError
from dp_ros.replay.injection import Injection, Link
from dp_ros.replay.replay import Declared
from tests.data import drawn_bags
from tests.data.drawn_bags import START_NS
from tests.replay.small import MS, save_policy, task

TROUBLE = Injection(Link(20 * MS, 40 * MS, 0.15), {'/policy/chunk': Link(0, 50 * MS, 0.2)}, 5)
DIAGNOSTICS, STATUS = '/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray'


@pytest.fixture(scope='module')
def policy(tmp_path_factory):
    return save_policy(tmp_path_factory.mktemp('policies') / 'small')


def record(folder, made=None, **known):
    modes = known.pop('modes', ((0.0, 'policy'), (1.8, 'idle')))
    return drawn_bags.record(folder, made or task(), drawn_bags.robot(), 2.0, modes, **known)


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return record(tmp_path_factory.mktemp('replay') / 'bag')


@pytest.mark.parametrize('injection', [Injection(), TROUBLE], ids=['nothing', 'trouble'])
def test_twice_gives_the_same_bytes(bag, policy, injection):
    once, again = (
        report.text(report.report(replay.run(bag, policy, Declared(3, injection=injection))))
        for _ in range(2)
    )
    assert once == again
    other = report.report(replay.run(bag, policy, Declared(4, injection=injection)))
    assert report.text(other) != once


def test_errors_are_the_distance_to_what_was_commanded(bag, policy):
    done = replay.run(bag, policy, Declared())
    (measure,) = done.measures
    plan = done.outcome.planned[0].plan
    due = (plan.anchor_ns - START_NS) / 1e9 + 0.1
    away = plan.waypoints[1, :2] - drawn_bags.commanded(due)
    assert measure.values[0, 1] == pytest.approx(1e3 * np.hypot(*away), abs=0.01)


def with_told(bag, folder, told):
    """The bag, and what the live node told of its windows: anchor -> digest."""
    writer = BagWriter(folder)
    types = TYPES.types
    with open_bag(bag) as source:
        for topic, kind in [*source.topics.items(), (DIAGNOSTICS, STATUS)]:
            writer.add_topic(topic, kind)
        for message in source.messages():
            writer.write(message.topic, message.received_ns, message.cdr)
    pair = types['diagnostic_msgs/msg/KeyValue']
    for anchor, digest in told.items():
        values = [pair(key='anchor_ns', value=str(anchor)), pair(key='window', value=digest)]
        status = types['diagnostic_msgs/msg/DiagnosticStatus'](
            level=0, name='inference/chunk', message='planned', hardware_id='', values=values
        )
        said = types[STATUS](header=drawn_bags.header(1), status=[status])
        writer.write(DIAGNOSTICS, anchor, TYPES.serialize_cdr(said, STATUS))
    writer.close()
    (folder / 'episode.yaml').write_bytes((bag / 'episode.yaml').read_bytes())
    return folder


def test_windows_are_compared_with_those_that_the_live_node_told(tmp_path, bag, policy):
    plans = [p.plan for p in replay.run(bag, policy, Declared()).outcome.planned]
    told = {plans[0].anchor_ns: plans[0].window, plans[1].anchor_ns: 'another'}
    done = replay.run(with_told(bag, tmp_path / 'bag', told), policy, Declared())
    same = [chunk['same_window'] for chunk in report.report(done)['chunks']]
    assert same[:3] == [True, False, None]


def test_chunks_are_joined_in_the_way_that_is_declared(bag, policy):
    """The mean of plans lies nearer to the plan before than the next one alone."""

    def apart(transition):
        plans = [p.plan for p in replay.run(bag, policy, Declared(3, transition=transition))
                 .outcome.planned]  # fmt: skip
        gaps = [
            np.abs(after.waypoints[:-2, :2] - before.waypoints[2:, :2]).mean()
            for before, after in itertools.pairwise(plans)
        ]
        return float(np.mean(gaps))

    assert apart('ensemble') < 0.7 * apart('switch')
    with pytest.raises(ValueError, match='prefix'):
        apart('prefix')


def test_progress_counts_every_message_of_the_streams(bag, policy):
    seen = []
    replay.run(bag, policy, Declared(), lambda done, total: seen.append((done, total)))
    assert seen == [(i + 1, 120) for i in range(120)]


def test_a_bag_of_another_task_names_the_two_fields(tmp_path, policy):
    other = record(tmp_path / 'bag', task(rate_hz=20))
    with pytest.raises(CheckpointError, match=r'differ in rate_hz: 10\.0 against 20\.0'):
        replay.run(other, policy, Declared())


def test_a_bag_without_a_stream_of_the_task_is_a_sentence(tmp_path, policy):
    bare = record(tmp_path / 'bag', keep=lambda topic, _t: topic != '/tcp_pose')
    with pytest.raises(BagError, match='/tcp_pose holds no message'):
        replay.run(bare, policy, Declared())


def test_a_damaged_episode_file_is_a_sentence(tmp_path, policy):
    broken = record(tmp_path / 'bag')
    text = (broken / 'episode.yaml').read_text()
    (broken / 'episode.yaml').write_text(text.replace('rate_hz: 10', 'rate_hz: -10', 1))
    with pytest.raises(yamlfile.ConfigError, match='task: rate_hz'):
        replay.run(broken, policy, Declared())


def judged(bag, policy, declared=None, allow_refusals=False):
    guards.require_substance(replay.run(bag, policy, declared or Declared()), allow_refusals)


def test_a_replay_in_which_something_happened_passes(bag, policy):
    judged(bag, policy)


@pytest.mark.parametrize(
    ('known', 'declared', 'sentence'),
    [
        (
            {'modes': ((0.0, 'idle'),), 'keep': lambda topic, _t: topic != '/executor/command'},
            Declared(),
            'nobody commanded the arm',
        ),
        (
            {'modes': ((0.0, 'policy'), (0.15, 'idle'))},
            Declared(),
            r'gave no window .* commanded for 0\.15 s only',
        ),
        (
            {'keep': lambda topic, t: topic != '/tcp_pose' or t < 0.1},
            Declared(),
            'no window to plan from: tcp: the newest sample is too old',
        ),
        (
            {'keep': lambda topic, t: topic != '/tcp_pose' or int(t * 60) % 12 == 0},
            Declared(),
            'no window to plan from: refused: .* tcp_gap',
        ),
        ({}, Declared(processing_ns=900 * MS), 'no chunk was accepted .* 2 too late'),
    ],
)
def test_an_empty_pass_fails_with_its_reasons(tmp_path, policy, known, declared, sentence):
    with pytest.raises(ReplayError, match=sentence):
        judged(record(tmp_path / 'bag', **known), policy, declared)


def test_an_arm_that_could_not_be_armed_is_told(tmp_path, policy, monkeypatch):
    monkeypatch.setattr(drawn_bags, 'tip', lambda _t: (0.9, 0.0))
    with pytest.raises(
        ReplayError, match=r'no chunk was accepted.*arming was refused: the arm st'
    ):
        judged(record(tmp_path / 'bag'), policy)


def test_most_windows_refused_fails_unless_it_is_allowed(tmp_path, policy):
    sparse = record(
        tmp_path / 'bag', keep=lambda topic, t: topic != '/tcp_pose' or t < 0.5 or t * 60 % 12 < 1
    )
    with pytest.raises(ReplayError, match=r'refused for \d\d% of the time.*--allow-refusals'):
        judged(sparse, policy)
    judged(sparse, policy, allow_refusals=True)
