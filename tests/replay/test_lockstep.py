"""The wiring in virtual time, with a planner that draws what it is told."""

import numpy as np
import pytest

from dp_ros.core.stamped import ActionChunk
from dp_ros.data.bag import open_bag
from dp_ros.data.bag_repair import BagError
from dp_ros.data.bag_writer import TYPES
from dp_ros.replay import lockstep
from dp_ros.replay.executor_side import NO_READING, ExecutorSide
from dp_ros.replay.injection import Injection, Link
from tests.data import drawn_bags
from tests.replay.small import MS, ms, play, task

POLICY = ((0.0, 'policy'), (1.8, 'idle'))
CHUNK = '/policy/chunk'


def record(folder, modes=POLICY, **known):
    return drawn_bags.record(folder / 'bag', task(), drawn_bags.robot(), 2.0, modes, **known)


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return record(tmp_path_factory.mktemp('lockstep'))


def splices(outcome):
    return [ms(p.plan.chunk.splice_ns) for p in outcome.planned]


def test_windows_are_planned_when_covered_and_chunks_come_after_the_declared_time(bag):
    outcome, recorded = play(bag)
    plans = [p.plan for p in outcome.planned]
    assert [ms(p.anchor_ns) for p in plans] == list(range(200, 1800, 200))
    # The first sample behind 200 ms is stamped 203 ms, and arrives 5 ms later.
    assert ms(plans[0].covered_ns) == pytest.approx(208)
    assert all(p.offered_ns == p.plan.covered_ns + 60 * MS for p in outcome.planned)
    assert splices(outcome) == list(range(300, 1900, 200))
    assert outcome.verdicts == {'accepted': 8}
    assert outcome.commands == pytest.approx(1800 / 8, abs=4)
    assert [(s.mode, ms(s.begin_ns)) for s in recorded.stretches] == [('policy', 5)]


def test_commands_follow_the_plan_within_the_limits(bag):
    outcome, _ = play(bag)
    for tick in outcome.ticks:
        t = (ms(tick.now_ns)) / 1e3
        if 0.6 < t < 1.7:
            np.testing.assert_allclose(tick.command[:2], drawn_bags.tip(t), atol=0.003)
            assert not tick.limits


def test_latency_shifts_the_splices(bag):
    outcome, _ = play(bag, injection=Injection(Link(latency_ns=50 * MS)))
    assert splices(outcome)[:3] == [400, 600, 800]
    assert outcome.verdicts.keys() == {'accepted'}


def test_drops_lead_to_refusals(bag):
    outcome, _ = play(bag, injection=Injection(Link(drop=0.8), seed=1))
    assert outcome.lost['/tcp_pose'] > 60
    assert outcome.refusals.keys() <= {'tcp_gap', 'tcp_stale'}
    assert sum(outcome.refusals.values()) >= 3
    assert len(outcome.planned) < 8


def test_a_stream_that_falls_silent_is_named(tmp_path):
    silent = record(tmp_path, keep=lambda topic, t: topic != '/tcp_pose' or t < 0.8)
    outcome, _ = play(silent)
    assert len(outcome.planned) == 3
    (trouble,) = outcome.troubles
    assert trouble.startswith('tcp: the newest sample is too old')


def test_frames_of_a_camera_that_get_lost_refuse_windows_by_its_name(tmp_path):
    camera = {
        'type': 'image', 'name': 'front', 'width': 32, 'height': 24, 'size': [16, 12],
        'tolerance_s': 0.05,
    }  # fmt: skip
    tcp = {'type': 'pose', 'name': 'tcp', 'topic': '/tcp_pose', 'components': ['x', 'y']}
    made = task(observations=[tcp, camera])
    robot = drawn_bags.robot(*made.cameras)
    folder = drawn_bags.record(tmp_path / 'bag', made, robot, 2.0, POLICY)
    outcome, _ = play(folder, made=made)
    assert outcome.verdicts == {'accepted': 8}
    lossy = {made.cameras[0].topic: Link(drop=0.7)}
    outcome, _ = play(folder, made=made, injection=Injection(topics=lossy, seed=3))
    assert outcome.refusals.keys() & {'front_skew', 'front_stale'}
    assert outcome.lost.keys() == {made.cameras[0].topic}


def test_inference_later_than_the_horizon_is_past_and_while_it_thinks_no_other_is_planned(bag):
    outcome, _ = play(bag, processing_ns=900 * MS)
    assert outcome.verdicts == {'past': 2}
    first, second = (p.plan for p in outcome.planned)
    # It fell behind, and goes on from the newest window.
    assert second.covered_ns == first.covered_ns + 900 * MS
    assert ms(second.anchor_ns) == 1100


def test_a_chunk_that_is_slow_on_its_way_is_late_and_one_that_is_lost_is_lost(bag):
    late, _ = play(bag, injection=Injection(topics={CHUNK: Link(latency_ns=40 * MS)}))
    assert late.verdicts == {'late': 8}
    lost, _ = play(bag, injection=Injection(topics={CHUNK: Link(drop=1.0)}))
    assert lost.verdicts == {'lost': 8}


def test_without_chunks_the_stream_holds_and_says_why(tmp_path):
    long = drawn_bags.record(tmp_path / 'bag', task(), drawn_bags.robot(), 4.0, ((0.0, 'policy'),))
    outcome, _ = play(long, injection=Injection(topics={CHUNK: Link(drop=1.0)}))
    assert outcome.ticks[-1].mode == 'idle'
    assert any('none came within 3.0 s' in t.reason for t in outcome.ticks)


def test_a_limit_that_is_hit_is_counted(bag):
    # Twice the speed that the cell allows.
    outcome, _ = play(bag, path=lambda t: (0.3 + 0.8 * max(0, t - 0.4), -0.1))
    assert outcome.limited['TCP speed'] > 20
    outcome, _ = play(bag, path=lambda t: (0.3 - 0.2 * max(0, t - 0.4), -0.1))
    assert outcome.limited['workspace'] > 20


def test_a_first_chunk_far_from_the_arm_is_refused(bag):
    outcome, _ = play(bag, path=drawn_bags.commanded)
    assert outcome.verdicts == {'far_from_arm': 1, 'not_armed': 7}


def test_an_arm_outside_the_workspace_is_not_armed(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_bags, 'tip', lambda _t: (0.9, 0.0))
    outcome, _ = play(record(tmp_path))
    assert outcome.commands == 0
    assert 'outside the workspace' in outcome.refused_arming[0]


@pytest.mark.parametrize(
    ('after', 'mode'),
    [
        ('stopped', 'protective_stop'),  # as bags said before the stops had names
        ('emergency_stop', 'emergency_stop'),
        ('fault', 'fault'),
        ('holding', 'idle'),
    ],
)
def test_the_arm_is_let_go_as_it_was(tmp_path, after, mode):
    outcome, _ = play(record(tmp_path, modes=((0.0, 'policy'), (1.0, after))))
    assert outcome.ticks[-1].mode == mode
    assert ms(outcome.ticks[-1].now_ns) < 1100
    assert len(outcome.planned) == 4


def test_each_commander_has_a_stretch_of_its_own(tmp_path):
    modes = ((0.0, 'policy'), (0.7, 'teleoperated'), (1.3, 'policy'))
    outcome, recorded = play(record(tmp_path, modes=modes))
    assert [s.mode for s in recorded.stretches] == ['policy', 'teleoperated', 'policy']
    # A window lies wholly after the change.
    anchors = [ms(p.plan.anchor_ns) for p in outcome.planned]
    assert anchors == [200, 400, 600, 900, 1100, 1500, 1700, 1900]
    assert {t.mode for t in outcome.ticks} == {'policy', 'holding', 'idle'}


def test_a_bag_without_the_reading_that_arming_needs_is_a_sentence(tmp_path):
    joints = ['shoulder_pan_joint']
    made = task(action={'space': 'joint', 'components': joints})
    folder = record(tmp_path)
    with open_bag(folder) as bag, pytest.raises(BagError, match='lacks /joint_states'):
        lockstep.topics(bag, made, drawn_bags.robot())


def test_predicted_joints_reach_the_arm_in_its_own_order():
    robot = drawn_bags.robot()
    joints = list(robot.arm.joints)
    made = task(action={'space': 'joint', 'components': joints[::-1]})
    side = ExecutorSide(made, robot)
    angles = [2.84, -1.67, 2.0, -1.9, -1.57, -1.87]
    kind = TYPES.types['sensor_msgs/msg/JointState']
    nothing = np.zeros(0)
    side.begin()
    assert (side.tick(0).command, side.tick(0).reason) == (None, NO_READING)
    side.read(
        '/joint_states', kind(drawn_bags.header(0), joints, np.array(angles), nothing, nothing)
    )
    assert side.tick(0).command.tolist() == angles
    chunk = ActionChunk((300 * MS, 400 * MS), np.array([angles[::-1]] * 2))
    assert side.offer(chunk, 250 * MS).name == 'ACCEPTED'
    np.testing.assert_allclose(side.tick(350 * MS).command, angles)


def test_a_task_that_predicts_other_joints_than_the_arm_has_is_a_sentence():
    made = task(action={'space': 'joint', 'components': ['elbow', 'wrist']})
    with pytest.raises(ValueError, match=r"predicts the joints \['elbow', 'wrist'\]"):
        ExecutorSide(made, drawn_bags.robot())
