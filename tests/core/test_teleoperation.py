"""A person in command: twists become motion under the limits, and silence becomes rest."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.core.mode import Mode
from dp_ros.core.robot import ArmStatus
from dp_ros.core.stamped import Sample
from tests.core.test_stream import HOME, JOINT_TASK, MS, PERIOD_NS, ROBOT, TASK, Bench

FREE = (True,) * 6
STILL = (0.0,) * 6
ALONG_X = (0.1, 0, 0, 0, 0, 0)


class Teleop(Bench):
    """A bench with an operator who is heard every `every` control periods."""

    def __init__(self, task=TASK, status=ArmStatus.RUNNING, free=FREE):
        super().__init__(task, status)
        self.stream.config = dataclasses.replace(self.stream.config, free_axes=free)

    def twist(self, values, age_ns=0):
        sample = Sample(self.now - age_ns, np.array(values, float))
        return self.stream.teleoperate(sample, self.now, self.state)

    def release(self):
        """The deadman is let go."""
        return self.stream.teleoperate(Sample(self.now, np.zeros(6)), self.now, self.state, True)

    def move(self, values, seconds, every=2):
        for i in range(round(seconds * 1e9 / PERIOD_NS)):
            if i % every == 0:
                assert self.twist(values) == ''
            self.tick()

    def positions(self):
        return np.array(self.sent)[:, :3]


def test_the_arm_follows_at_the_speed_asked_for():
    bench = Teleop()
    bench.move(ALONG_X, 1.0)
    assert bench.mode is Mode.TELEOPERATED
    travelled = bench.at[0] - HOME[0]
    assert travelled == pytest.approx(0.1, abs=0.005)
    np.testing.assert_allclose(bench.at[1:], HOME[1:], atol=1e-9)


@pytest.mark.parametrize('hz', [10, 20, 50])
def test_slow_input_gives_no_step(hz):
    bench = Teleop()
    bench.move(ALONG_X, 1.0, every=round(1e9 / hz / PERIOD_NS))
    speed = np.diff(bench.positions()[:, 0]) / (PERIOD_NS / 1e9)
    assert np.all(speed >= -1e-9)
    assert speed.max() < 0.13
    assert bench.mode is Mode.TELEOPERATED


def test_silence_brakes_and_the_operator_has_let_go():
    bench = Teleop()
    bench.move(ALONG_X, 0.5)
    bench.tick(round(200 * MS / PERIOD_NS))
    assert bench.mode is Mode.HOLDING
    assert 'let go' in bench.stream.mode.reason
    at = bench.at
    bench.tick(10)
    np.testing.assert_array_equal(bench.at, at)


def test_a_turn_is_about_the_axes_of_the_base():
    bench = Teleop()
    bench.move((0, 0, 0, 0, 0, 0.5), 1.0)
    from scipy.spatial.transform import Rotation

    turned = Rotation.from_quat(bench.at[3:]) * Rotation.from_quat(HOME[3:]).inv()
    np.testing.assert_allclose(turned.as_rotvec(), [0, 0, 0.5], atol=0.05)
    np.testing.assert_allclose(bench.at[:3], HOME[:3], atol=1e-9)


def test_axes_that_the_task_holds_fixed_do_not_move():
    bench = Teleop(free=(True, True, False, False, False, False))
    bench.move((0.05, 0.05, 0.1, 0.3, 0.3, 0.3), 0.5)
    np.testing.assert_allclose(bench.at[2:], HOME[2:], atol=1e-9)
    assert bench.at[0] > HOME[0] + 0.01


def test_taking_over_from_the_policy_and_giving_back_is_without_a_jump():
    bench = Teleop()
    bench.arm()
    bench.tick(10)
    bench.stream.offer(bench.chunk(speed=0.1), bench.now)
    bench.tick(30)
    assert bench.mode is Mode.POLICY
    bench.move((0, 0.1, 0, 0, 0, 0), 0.5)
    assert bench.mode is Mode.TELEOPERATED
    assert bench.release() == ''
    bench.tick(20)
    assert bench.mode is Mode.POLICY
    assert 'gave back' in bench.stream.mode.reason
    steps = np.diff(bench.positions(), axis=0) / (PERIOD_NS / 1e9)
    assert np.linalg.norm(steps, axis=1).max() < 0.15
    change = np.abs(np.diff(steps, axis=0)).max() / (PERIOD_NS / 1e9)
    assert change <= ROBOT.cartesian.acceleration + 1e-6


def test_a_policy_whose_clock_differs_meanwhile_is_not_given_the_arm_back():
    bench = Teleop()
    bench.moving()
    bench.move((0, 0.1, 0, 0, 0, 0), 0.2)
    bench.stream.clocks_differ('by an hour')
    assert bench.mode is Mode.TELEOPERATED
    bench.release()
    bench.tick(20)
    assert bench.mode is Mode.HOLDING


def test_chunks_planned_before_the_hand_back_are_refused():
    bench = Teleop()
    bench.arm()
    bench.tick(10)
    bench.stream.offer(bench.chunk(), bench.now)
    bench.move(ALONG_X, 0.2)
    assert bench.stream.offer(bench.chunk(), bench.now).name == 'NOT_ARMED'
    bench.release()
    while bench.mode is Mode.TELEOPERATED:
        bench.tick()
    assert bench.stream.offer(bench.chunk(ahead_ns=20 * MS), bench.now).name == 'OLD_EPOCH'
    bench.tick(5)
    assert bench.stream.offer(bench.chunk(ahead_ns=60 * MS), bench.now).name == 'ACCEPTED'


@pytest.mark.parametrize('last', [ALONG_X, STILL], ids=['in motion', 'standing'])
def test_an_operator_who_is_lost_does_not_give_back(last):
    """Who holds the deadman and keeps the arm where it is has not released it."""
    bench = Teleop()
    bench.moving()
    bench.move(last, 0.3)
    bench.tick(30)
    assert bench.mode is Mode.HOLDING
    assert 'twists ceased without a release' in bench.stream.mode.reason


def test_an_operator_whose_twists_come_too_late_does_not_give_back():
    bench = Teleop()
    bench.moving()
    bench.move(STILL, 0.1)
    for _ in range(30):
        assert 'ms old' in bench.twist(STILL, age_ns=500 * MS)
        bench.tick()
    assert bench.mode is Mode.HOLDING


@pytest.mark.parametrize('held', [False, True])
def test_a_release_that_comes_late_takes_nobody_the_arm(held):
    bench = Teleop()
    bench.moving()
    if held:
        bench.stream.hold('by service')
    before = bench.mode
    assert bench.release() == ''
    assert bench.mode is before


@pytest.mark.parametrize('away', [STILL, (-0.1, 0, 0, 0, 0, 0)], ids=['standing', 'moving away'])
def test_what_was_planned_before_a_hold_is_void_for_the_operator(away):
    """The deadman frees the arm from a plan that went wrong; it does not go on with it."""
    bench = Teleop()
    bench.moving(0.1)
    bench.stream.hold('by service')
    bench.tick(60)  # the plan would be 5 cm further by now, and has some way to go
    at = bench.at[0]
    bench.move(away, 0.3)
    assert bench.mode is Mode.TELEOPERATED
    assert bench.at[0] <= at + 1e-6


def test_a_policy_that_died_meanwhile_does_not_get_the_arm_back():
    bench = Teleop()
    bench.arm()
    bench.tick(10)
    bench.stream.offer(bench.chunk(), bench.now)
    bench.move(ALONG_X, 0.2)
    bench.stream.policy_lost('killed')
    assert bench.mode is Mode.TELEOPERATED
    bench.release()
    bench.tick(30)
    assert bench.mode is Mode.HOLDING


def test_after_a_hold_the_deadman_must_be_pressed_anew():
    bench = Teleop()
    bench.move(ALONG_X, 0.2)
    bench.stream.hold('by service')
    for _ in range(20):
        assert 'press it anew' in bench.twist(ALONG_X)
        bench.tick(2)
    assert bench.mode is Mode.HOLDING
    bench.tick(round(150 * MS / PERIOD_NS))
    bench.move(ALONG_X, 0.1)
    assert bench.mode is Mode.TELEOPERATED


@pytest.mark.parametrize(
    ('twist', 'age_ns', 'said'),
    [
        ((np.nan, 0, 0, 0, 0, 0), 0, 'not finite'),
        ((np.inf, 0, 0, 0, 0, 0), 0, 'not finite'),
        (ALONG_X, 500 * MS, '500 ms old'),
        (ALONG_X, -500 * MS, '-500 ms old'),
    ],
)
def test_bad_twists_are_refused_and_move_nothing(twist, age_ns, said):
    bench = Teleop()
    assert said in bench.twist(twist, age_ns)
    assert bench.mode is Mode.IDLE
    assert bench.tick() is None
    assert bench.stream.twists == {'refused': 1}


def test_a_stopped_controller_and_a_joint_task_refuse():
    stopped = Teleop(status=ArmStatus.PROTECTIVE_STOP)
    assert 'protective stop' in stopped.twist(ALONG_X)
    joints = Teleop(JOINT_TASK)
    assert 'joints' in joints.twist(ALONG_X)


def test_at_the_edge_of_the_workspace_the_schedule_does_not_run_ahead():
    bench = Teleop()
    bench.move((0, 0, -0.3, 0, 0, 0), 3.0)
    low = ROBOT.cartesian.low[2]
    assert bench.at[2] == pytest.approx(low, abs=2e-3)
    before = bench.at[2]
    bench.move((0, 0, 0.1, 0, 0, 0), 0.2)
    assert bench.at[2] > before + 0.01


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.tuples(*[st.floats(-1e3, 1e3) | st.just(float('nan'))] * 6),
            st.integers(1, 30),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_no_twist_breaks_a_limit(stream):
    bench = Teleop()
    for values, ticks in stream:
        bench.twist(values)
        bench.tick(ticks)
    if len(bench.sent) < 3:
        return
    limits = ROBOT.cartesian
    positions, dt = bench.positions(), PERIOD_NS / 1e9
    assert np.all(positions >= np.array(limits.low) - 1e-9)
    assert np.all(positions <= np.array(limits.high) + 1e-9)
    velocity = np.diff(positions, axis=0) / dt
    assert np.linalg.norm(velocity, axis=1).max() <= limits.speed * (1 + 1e-6)
    assert np.abs(np.diff(velocity, axis=0)).max() / dt <= limits.acceleration * (1 + 1e-6)
