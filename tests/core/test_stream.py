"""The executor's decisions, tick by tick, on a stand-in arm that does what it is told."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros import paths
from dp_ros.core import rotations
from dp_ros.core.chunk import Verdict
from dp_ros.core.mode import Mode
from dp_ros.core.robot import ArmStatus, RobotState
from dp_ros.core.stamped import ActionChunk
from dp_ros.core.stream import CommandStream
from dp_ros.core.stream_config import StreamConfig
from dp_ros.robot import load_robot
from dp_ros.task import JointAction, load_task

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
ROBOT = load_robot(paths.share('config', 'robots', 'ur5e_sim.yaml'))
TASK = load_task(paths.share('config', 'tasks', 'pusht_cell.yaml'))
JOINT_TASK = TASK.model_copy(
    update={'action': JointAction(space='joint', components=ROBOT.arm.joints)}
)
HOME = np.array([0.45, 0.0, 0.2, 0.0, 1.0, 0.0, 0.0])
JOINTS = np.array([0.0, -1.5, 1.5, -1.5, -1.5, 0.0])
PERIOD_NS = 8 * MS


def config(task=TASK):
    return StreamConfig(
        space=task.action.space,
        limits=ROBOT.safety(task),
        period_s=PERIOD_NS / 1e9,
        first_step=0.05,
        first_chunk_ns=500 * MS,
        patience_ns=600 * MS,
        epoch_ns=50 * MS,
    )


class Bench:
    """A command stream, its clock, and an arm that is where it was sent."""

    def __init__(self, task=TASK, status=ArmStatus.RUNNING):
        self.stream = CommandStream(config(task))
        self.now = START_NS
        self.cartesian = task is TASK
        self.state = RobotState(0.0, JOINTS, np.zeros(6), HOME, np.zeros(6), status)
        self.sent = []

    @property
    def mode(self):
        return self.stream.mode.mode

    @property
    def at(self):
        return self.state.tcp_pose if self.cartesian else self.state.joint_positions

    def arm(self):
        return self.stream.arm(self.now, self.state)

    def report(self, status):
        self.state = dataclasses.replace(self.state, status=status)

    def tick(self, count=1):
        command = None
        for _ in range(count):
            self.now += PERIOD_NS
            command = self.stream.tick(self.now, self.state)
            if command is not None:
                self.sent.append(command.values)
                field = 'tcp_pose' if self.cartesian else 'joint_positions'
                self.state = dataclasses.replace(self.state, **{field: command.values})
        return command

    def chunk(self, speed=0.1, count=8, ahead_ns=60 * MS, step_ns=50 * MS):
        """Waypoints from where the arm is, along the first axis."""
        stamps = tuple(self.now + ahead_ns + i * step_ns for i in range(count))
        points = np.tile(self.at, (count, 1))
        points[:, 0] += speed * (np.array(stamps) - self.now) / 1e9
        return ActionChunk(stamps, points)

    def offer(self, **shape):
        return self.stream.offer(self.chunk(**shape), self.now)

    def moving(self, speed=0.1):
        """Armed and under way."""
        assert self.arm() is None
        assert self.offer(speed=speed, count=20) is Verdict.ACCEPTED
        self.tick(30)
        assert self.mode is Mode.POLICY
        assert self.speed() > 0.9 * speed
        return self

    def speed(self):
        return np.abs(self.sent[-1] - self.sent[-2]).max() / (PERIOD_NS / 1e9)

    def brakes(self):
        """Assert that it soon stops, and then stays to the bit. Returns the command.

        Within v/a after the end of the plan that it is on.
        """
        limits, period_s = self.stream.config.limits, self.stream.config.period_s
        seconds = limits.foresight(period_s) + self.speed() / limits.axes.acceleration[0]
        ticks = int(np.ceil(seconds / period_s)) + 1
        before = self.sent[-1]
        for _ in range(ticks):
            last, before = before, self.tick().values
        rest = self.tick().values
        for _ in range(10):
            assert self.tick().values.tobytes() == rest.tobytes()
        assert np.abs(last - rest).max() < 1e-4
        return rest

    def check_motion(self):
        """Nothing that was sent breaks the acceleration of an axis."""
        axes = self.stream.config.limits.axes
        n = len(axes.low)
        points = np.array(self.sent)[:, :n]
        change = np.diff(points, 2, axis=0) / self.stream.config.period_s**2
        assert (np.abs(change) <= axes.acceleration * (1 + 1e-9) + 1e-9).all()


both = pytest.mark.parametrize('task', [TASK, JOINT_TASK], ids=['cartesian', 'joint'])


# What is committed.


@both
def test_what_is_ahead_is_what_will_be_played(task):
    """A policy that plans on from what is ahead must not be told of waypoints beyond a limit."""
    bench = Bench(task)
    assert bench.stream.ahead(bench.now) is None
    bounds = bench.stream.config.limits.axes
    axis = bounds.low.size
    outward = {'speed': 0.4, 'count': 32}
    if task is JOINT_TASK:
        outward = {'speed': 0.8, 'count': 32, 'step_ns': 300 * MS}
    bench.arm()
    assert bench.offer(**outward) is Verdict.ACCEPTED
    ahead, wanted = bench.stream.ahead(bench.now), bench.chunk(**outward)
    assert (wanted.waypoints[:, :axis] > bounds.high).any()
    assert ahead.stamps_ns == wanted.stamps_ns
    clipped = np.clip(wanted.waypoints[:, :axis], bounds.low, bounds.high)
    np.testing.assert_array_equal(ahead.waypoints[:, :axis], clipped)
    np.testing.assert_array_equal(ahead.waypoints[:, axis:], wanted.waypoints[:, axis:])
    bench.tick(30)
    later = bench.stream.ahead(bench.now)
    assert later.stamps_ns == tuple(t for t in wanted.stamps_ns if t > bench.now)
    bench.stream.hold('by the test')
    assert bench.stream.ahead(bench.now) is None


# Arming.


@both
def test_an_armed_arm_stands_until_the_first_chunk_and_then_follows_it(task):
    bench = Bench(task)
    assert bench.tick() is None
    assert bench.mode is Mode.IDLE
    assert bench.arm() is None
    for _ in range(10):
        assert bench.tick().values.tobytes() == bench.sent[0].tobytes()
    assert bench.stream.policy_ticks == 0
    chunk = bench.chunk(count=6)
    assert bench.stream.offer(chunk, bench.now) is Verdict.ACCEPTED
    assert bench.stream.ahead(bench.now).stamps_ns == chunk.stamps_ns
    while bench.now + PERIOD_NS <= chunk.end_ns:
        bench.tick()
    assert bench.mode is Mode.POLICY
    np.testing.assert_allclose(bench.sent[-1], chunk.waypoints[-1], atol=0.005)
    assert not bench.stream.limited
    bench.check_motion()


@pytest.mark.parametrize('status', [s for s in ArmStatus if s is not ArmStatus.RUNNING])
def test_a_controller_that_does_not_run_cannot_be_armed(status):
    bench = Bench(status=status)
    refusal = bench.arm()
    assert status.value in refusal
    assert bench.mode is Mode.IDLE
    assert bench.tick() is None


@pytest.mark.parametrize(
    ('x', 'why'),
    [
        (0.18, 'outside the workspace'),
        (0.74, 'outside the workspace'),
        (np.nan, 'does not say where it is'),
    ],
)
def test_an_arm_outside_the_workspace_cannot_be_armed(x, why):
    bench = Bench()
    bench.state = dataclasses.replace(bench.state, tcp_pose=np.array([x, *HOME[1:]]))
    assert why in bench.arm()
    assert bench.mode is Mode.IDLE


def test_an_armed_arm_is_not_armed_again():
    bench = Bench()
    bench.arm()
    assert bench.arm() == 'the policy already commands the arm'


@both
def test_a_first_waypoint_far_away_is_refused_and_the_arm_holds(task):
    bench = Bench(task)
    bench.arm()
    bench.tick(10)
    far = bench.chunk(speed=0.0)
    far.waypoints[:, 1] += 0.051
    assert bench.stream.offer(far, bench.now) is Verdict.FAR_FROM_ARM
    assert bench.mode is Mode.HOLDING
    assert '0.051 away, 0.050 allowed' in bench.stream.mode.reason
    assert bench.tick().values.tobytes() == bench.sent[0].tobytes()
    assert bench.arm() is None  # and may be armed again
    near = bench.chunk(speed=0.0)
    near.waypoints[:, 1] += 0.049
    assert bench.stream.offer(near, bench.now) is Verdict.ACCEPTED


def turned(points, angle):
    """Poses turned by `angle` about an axis of the base."""
    turn = rotations.quaternion_from_rotation_vector(np.array([0.0, angle, 0.0]))
    points[:, 3:] = rotations.quaternion_multiply(turn, points[:, 3:])


@pytest.mark.parametrize('angle', [np.pi / 2, -0.36, 0.34])
def test_a_first_waypoint_turned_far_away_is_refused_and_the_arm_holds(angle):
    """As by quaternions in another order, or poses of another frame of the tool."""
    bench = Bench()
    bench.arm()
    bench.tick(10)
    chunk = bench.chunk(speed=0.0)
    turned(chunk.waypoints, angle)
    far = abs(angle) > 0.35
    assert bench.stream.offer(chunk, bench.now) is (
        Verdict.FAR_FROM_ARM if far else Verdict.ACCEPTED
    )
    if far:
        assert bench.mode is Mode.HOLDING
        assert f'{abs(angle):.3f} rad turned away, 0.350 allowed' in bench.stream.mode.reason


@pytest.mark.parametrize('row', [0, 3])
def test_a_chunk_whose_turn_leaps_is_refused_and_the_arm_holds(row):
    bench = Bench().moving()
    leaping = bench.chunk(speed=0.1)
    turned(leaping.waypoints[row:], np.pi / 2)
    assert bench.stream.offer(leaping, bench.now) is Verdict.LEAP
    assert bench.mode is Mode.HOLDING
    assert f'waypoint {row} is 1.57 rad turned away' in bench.stream.mode.reason


def test_a_quaternion_and_its_opposite_are_no_turn():
    bench = Bench().moving()
    chunk = bench.chunk(speed=0.1)
    chunk.waypoints[2:, 3:] *= -1
    assert bench.stream.offer(chunk, bench.now) is Verdict.ACCEPTED


def test_only_the_first_waypoint_is_held_to_the_first_step():
    bench = Bench().moving()
    later = bench.chunk(speed=0.1)
    later.waypoints[:, 1] += 0.06
    assert bench.stream.offer(later, bench.now) is Verdict.ACCEPTED


@pytest.mark.parametrize('row', [0, 3])
@both
def test_a_chunk_that_leaps_is_refused_and_the_arm_holds(task, row):
    bench = Bench(task).moving()
    leaping = bench.chunk(speed=0.1)
    leaping.waypoints[row:, 1] += 5.0
    assert bench.stream.offer(leaping, bench.now) is Verdict.LEAP
    assert bench.mode is Mode.HOLDING
    assert f'waypoint {row} is' in bench.stream.mode.reason


def test_without_a_first_chunk_the_policy_is_given_up():
    bench = Bench()
    bench.arm()
    bench.tick(62)
    assert bench.mode is Mode.POLICY
    bench.tick()
    assert bench.mode is Mode.HOLDING
    assert 'none came within 0.5 s of arming' in bench.stream.mode.reason
    assert bench.stream.idle_ticks == 0


@both
def test_an_arm_that_still_brakes_is_not_armed_and_its_motion_stays_smooth(task):
    bench = Bench(task).moving(0.15)
    bench.stream.hold('by hand')
    bench.tick()
    assert 'still braking' in bench.arm()
    assert bench.mode is Mode.HOLDING
    bench.brakes()
    assert bench.arm() is None
    bench.tick(5)
    bench.check_motion()


def test_an_arm_armed_from_holding_stays_where_it_was_sent():
    """Its reading lags and is noisy: a stream that restarts from there would jump."""
    bench = Bench().moving()
    bench.stream.hold('by hand')
    rest = bench.brakes()
    bench.state = dataclasses.replace(bench.state, tcp_pose=rest + np.eye(7)[0] * 0.002)
    assert bench.arm() is None
    assert bench.tick().values.tobytes() == rest.tobytes()


# Chunks.


def test_chunks_are_refused_while_the_policy_does_not_command():
    bench = Bench()
    assert bench.offer() is Verdict.NOT_ARMED
    bench.moving()
    bench.stream.hold('by hand')
    bench.tick()
    assert bench.offer() is Verdict.NOT_ARMED
    assert bench.stream.verdicts == {'not_armed': 2, 'accepted': 1}


def test_a_chunk_of_the_old_epoch_is_refused_and_changes_nothing():
    bench = Bench().moving()
    old = bench.chunk(ahead_ns=140 * MS)
    bench.stream.hold('by hand')
    bench.brakes()
    bench.arm()
    assert bench.stream.offer(old, bench.now) is Verdict.OLD_EPOCH
    assert bench.mode is Mode.POLICY
    assert bench.stream.ahead(bench.now) is None
    assert bench.offer(ahead_ns=50 * MS - 1) is Verdict.OLD_EPOCH
    assert bench.offer(ahead_ns=50 * MS) is Verdict.ACCEPTED


def spoilt(bench, **how):
    chunk = bench.chunk()
    points = chunk.waypoints[:, : how.get('width', 7)].copy()
    points[1, 4] = how.get('value', points[1, 4])
    return ActionChunk(chunk.stamps_ns, points)


@pytest.mark.parametrize(
    ('how', 'verdict'),
    [
        ({'value': np.nan}, Verdict.NOT_FINITE),
        ({'value': np.inf}, Verdict.NOT_FINITE),
        ({'value': 0.5}, Verdict.NOT_A_ROTATION),
        ({'width': 6}, Verdict.WRONG_SIZE),
    ],
)
def test_a_malformed_chunk_brakes_the_arm_and_says_why(how, verdict):
    bench = Bench().moving()
    assert bench.stream.offer(spoilt(bench, **how), bench.now) is verdict
    assert bench.mode is Mode.HOLDING
    assert verdict.value in bench.stream.mode.reason
    bench.brakes()
    bench.check_motion()
    assert bench.stream.verdicts[verdict.name.lower()] == 1


def test_an_unreadable_chunk_brakes_the_arm_and_says_why():
    bench = Bench().moving()
    bench.stream.refuse('it is in frame world')
    assert bench.mode is Mode.HOLDING
    assert 'it is in frame world' in bench.stream.mode.reason
    assert bench.stream.verdicts['malformed'] == 1
    bench.brakes()


@both
def test_a_late_chunk_is_refused_while_the_old_one_plays_on(task):
    """With and without it, the same commands are sent, to the bit."""
    plain, disturbed = Bench(task).moving(), Bench(task).moving()
    assert disturbed.offer(ahead_ns=-1, speed=-0.2) is Verdict.LATE
    assert disturbed.offer(ahead_ns=2_001 * MS) is Verdict.TOO_FAR_AHEAD
    plain.tick(30)
    disturbed.tick(30)
    assert disturbed.mode is Mode.POLICY
    assert np.array(plain.sent).tobytes() == np.array(disturbed.sent).tobytes()
    assert disturbed.stream.verdicts == {'accepted': 1, 'late': 1, 'too_far_ahead': 1}


# The end of the policy.


@both
def test_a_lost_policy_brakes_the_arm_within_physics_and_it_holds(task):
    bench = Bench(task).moving(0.15)
    bench.stream.policy_lost('no sign of life for 400 ms')
    assert bench.mode is Mode.HOLDING
    assert bench.stream.mode.reason == 'the policy is gone: no sign of life for 400 ms'
    bench.brakes()
    bench.check_motion()
    assert bench.stream.ahead(bench.now) is None


def test_a_lost_policy_is_armed_again_only_once_it_is_found():
    bench = Bench()
    bench.stream.policy_found()
    bench.stream.policy_lost('killed')
    assert bench.arm() == 'the policy is gone: killed; arm once it has been started again'
    assert bench.mode is Mode.IDLE
    bench.stream.policy_found()
    assert bench.arm() is None


@both
def test_when_the_chunks_run_out_the_arm_brakes_and_holds(task):
    bench = Bench(task)
    bench.arm()
    chunk = bench.chunk(count=4)
    bench.stream.offer(chunk, bench.now)
    while bench.now + PERIOD_NS <= chunk.end_ns:
        bench.tick()
    assert bench.mode is Mode.POLICY
    assert bench.stream.idle_ticks == 0
    policy_ticks = bench.stream.policy_ticks
    assert policy_ticks == len(bench.sent)
    bench.tick()
    assert bench.mode is Mode.HOLDING
    assert 'the chunks ran out' in bench.stream.mode.reason
    assert bench.stream.idle_ticks == 1
    bench.brakes()
    assert bench.stream.policy_ticks == policy_ticks + 1
    assert bench.stream.idle_ticks == 1
    bench.check_motion()


def test_one_chunk_is_not_played_longer_than_patience_allows():
    bench = Bench()
    bench.arm()
    chunk = bench.chunk(count=40)
    bench.stream.offer(chunk, bench.now)
    while bench.now + PERIOD_NS <= chunk.splice_ns + 600 * MS:
        bench.tick()
    assert bench.mode is Mode.POLICY
    bench.tick()
    assert bench.mode is Mode.HOLDING
    assert 'no new chunk for 0.6 s' in bench.stream.mode.reason
    assert bench.stream.idle_ticks == 1
    bench.brakes()


def test_new_chunks_keep_the_arm_going_without_an_idle_tick():
    bench = Bench().moving(0.05)
    for _ in range(12):
        assert bench.offer(speed=0.05, count=16) is Verdict.ACCEPTED
        bench.tick(20)
    assert bench.mode is Mode.POLICY
    assert bench.stream.idle_ticks == 0
    assert bench.stream.policy_ticks == len(bench.sent)
    bench.check_motion()


# Stops.


def test_a_released_arm_becomes_idle_once_it_is_still():
    bench = Bench().moving(0.15)
    bench.stream.release()
    assert bench.mode is Mode.HOLDING
    ticks = 0
    while bench.tick() is not None:
        ticks += 1
        assert bench.mode is Mode.HOLDING
    assert 1 <= ticks <= np.ceil(0.16 / (8 / np.sqrt(3)) / 0.008) + 1
    assert bench.mode is Mode.IDLE
    assert bench.tick() is None
    bench.check_motion()
    assert bench.arm() is None
    assert bench.tick() is not None
    assert bench.mode is Mode.POLICY


def test_releasing_what_is_idle_does_nothing():
    bench = Bench()
    bench.stream.release()
    assert bench.tick() is None
    assert bench.mode is Mode.IDLE
    assert bench.arm() is None
    assert bench.tick() is not None


@pytest.mark.parametrize('held', [False, True])
def test_a_protective_stop_ends_the_commands_until_the_arm_is_armed_again(held):
    bench = Bench().moving()
    if held:
        bench.stream.hold('by hand')
        bench.tick()
    bench.report(ArmStatus.PROTECTIVE_STOP)
    assert bench.tick() is None
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert 'protective stop' in bench.stream.mode.reason
    assert 'protective stop' in bench.arm()
    bench.report(ArmStatus.RUNNING)
    assert bench.tick() is None  # a running controller alone is no reason to move
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.offer() is Verdict.NOT_ARMED
    assert bench.arm() is None
    assert bench.tick().values.tobytes() == bench.at.tobytes()


@pytest.mark.parametrize('by_status', [False, True])
def test_a_lost_link_is_a_fault_for_good(by_status):
    bench = Bench().moving()
    if by_status:
        bench.report(ArmStatus.LINK_LOST)
    else:
        bench.stream.link_lost('send failed')
    assert bench.tick() is None
    assert bench.mode is Mode.FAULT
    bench.report(ArmStatus.RUNNING)
    assert bench.tick() is None
    assert 'cannot arm in mode fault' in bench.arm()


# All of it at once.

ACTIONS = st.sampled_from(
    [
        'chunk',
        'chunk',
        'far',
        'late',
        'nan',
        'hold',
        'lost',
        'found',
        'release',
        'arm',
        'arm',
        'stop',
        'run',
    ]
)


@both
def test_whatever_happens_no_limit_is_broken(task):
    @given(st.lists(st.tuples(ACTIONS, st.integers(0, 2**16), st.integers(1, 30)), max_size=14))
    @settings(max_examples=25, deadline=None)
    def check(story):
        bench = Bench(task)
        bench.arm()
        axes = bench.stream.config.limits.axes
        n = len(axes.low)
        for action, seed, ticks in story:
            rng = np.random.default_rng(seed)
            chunk = bench.chunk(speed=rng.uniform(-0.5, 0.5), ahead_ns=60 * MS)
            if action == 'far':
                chunk.waypoints[2:, :n] += rng.uniform(-1, 1, n)
            if action == 'nan':
                chunk.waypoints[3, 2] = np.nan
            if action in ('chunk', 'far', 'nan'):
                bench.stream.offer(chunk, bench.now)
            elif action == 'late':
                bench.stream.offer(chunk, bench.now + 100 * MS)
            elif action == 'hold':
                bench.stream.hold('by hand')
            elif action == 'lost':
                bench.stream.policy_lost('gone')
            elif action == 'found':
                bench.stream.policy_found()
            elif action == 'release':
                bench.stream.release()
            elif action == 'arm':
                bench.arm()
            elif action == 'stop':
                bench.report(ArmStatus.PROTECTIVE_STOP)
            elif action == 'run':
                bench.report(ArmStatus.RUNNING)
            before, streamed = len(bench.sent), bench.mode in (Mode.POLICY, Mode.HOLDING)
            bench.tick(ticks)
            if bench.state.status is not ArmStatus.RUNNING:
                assert len(bench.sent) == before
            assert streamed or len(bench.sent) == before
        if len(bench.sent) > 2:
            # The controller's own stop is not the stream's doing: there it starts from rest.
            bench_stopped = any(action in ('stop', 'release') for action, _, _ in story)
            points = np.array(bench.sent)[:, :n]
            assert (points >= axes.low).all()
            assert (points <= axes.high).all()
            speed = np.diff(points, axis=0) / bench.stream.config.period_s
            assert (np.abs(speed) <= axes.speed * (1 + 1e-9) + 1e-12).all()
            if not bench_stopped:
                bench.check_motion()

    check()


@both
def test_a_policy_that_sees_nothing_withdraws_and_the_arm_holds_until_it_is_armed(task):
    bench = Bench(task).moving()
    bench.stream.policy_blind()
    assert bench.mode is Mode.HOLDING
    assert 'sees too little' in bench.stream.mode.reason
    bench.brakes()
    assert bench.offer() is Verdict.NOT_ARMED
    assert bench.arm() is None


@both
def test_an_arm_that_does_not_say_where_it_is_is_brought_to_rest(task):
    bench = Bench(task).moving()
    field = 'tcp_pose' if bench.cartesian else 'joint_positions'
    known = getattr(bench.state, field)
    for _ in range(40):
        lost = dataclasses.replace(bench.state, **{field: np.full_like(known, np.nan)})
        bench.now += PERIOD_NS
        command = bench.stream.tick(bench.now, lost)
        assert np.isfinite(command.values).all()
        bench.sent.append(command.values)
    assert bench.mode is Mode.HOLDING
    assert 'does not say where it is' in bench.stream.mode.reason
    assert bench.speed() == 0.0


@both
def test_a_policy_by_another_clock_brakes_the_arm_and_it_is_not_armed_until_they_agree(task):
    bench = Bench(task).moving()
    bench.stream.clocks_differ("the policy's is 0.42 s ahead")
    bench.stream.clocks_differ("the policy's is 0.42 s ahead")  # told again and again
    why = "the clocks of policy and executor differ: the policy's is 0.42 s ahead"
    assert (bench.mode, bench.stream.mode.reason) == (Mode.HOLDING, why)
    bench.brakes()
    assert bench.offer() is Verdict.NOT_ARMED
    assert bench.arm() == why
    bench.stream.clocks_differ('')
    assert bench.mode is Mode.HOLDING
    assert bench.arm() is None
