"""Two real command streams under one planner, in simulated time: together, or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from dp_ros.core.mode import Mode
from dp_ros.core.robot import ArmStatus
from dp_ros.core.stream import CommandStream
from dp_ros.hardware.drivers import make_kinematics
from dp_ros.learning.planner import receding_horizon
from dp_ros.paths import share
from dp_ros.robot import load_robot
from dp_ros.sim import carry_expert
from dp_ros.sim.carry import PARTS, Carry
from dp_ros.sim.delayed_arms import WATCHED_NS, DelayedArms
from dp_ros.sim.kinematic_arm import KINEMATICS
from dp_ros.task import load_task

TASK = load_task(share('config', 'tasks', 'two_arms_carry.yaml'))
ROBOT = load_robot(share('config', 'robots', 'ur5e_sim.yaml'))
PERIOD = TASK.period_ns
MS = 1_000_000
TICK_NS = 8 * MS
SEED = 3
START_STEPS = 5
"""Before the expert's first action is due; the first chunk has come by then."""


class Script:
    """The expert's plan for both arms, which says the same of a time whenever it is asked.

    leaps: by column, what is added to it from the third plan on.
    """

    def __init__(self, **leaps):
        world = Carry()
        world.reset(SEED)
        self.actions = carry_expert.way(world)
        self.asked, self.leaps = [], leaps

    def __call__(self, window, committed, delay_steps):
        self.asked.append((window.anchor_ns, committed, delay_steps))
        first = window.anchor_ns // PERIOD - START_STEPS
        due = first + np.arange(TASK.horizons.prediction)
        plan = self.actions[np.clip(due, 0, len(self.actions) - 1)].copy()
        for column, leap in self.leaps.items():
            plan[:, int(column)] += leap if len(self.asked) >= 3 else 0
        return plan


class LateOnce(CommandStream):
    """Its third chunk reaches it after its splice."""

    def offer(self, chunk, now_ns):
        third = sum(self.verdicts.values()) == 2
        return super().offer(chunk, chunk.splice_ns + MS if third else now_ns)


class Stopping(CommandStream):
    """Its arm makes a protective stop 2 s after it was armed."""

    def tick(self, now_ns, state):
        stops = now_ns >= 2000 * MS
        status = ArmStatus.PROTECTIVE_STOP if stops else ArmStatus.RUNNING
        return super().tick(now_ns, replace(state, status=status))


class SwitchedOff(CommandStream):
    """Its arm cannot be armed."""

    def arm(self, now_ns, state):
        return 'it is switched off'


def streams(**kinds):
    config = ROBOT.stream(TASK, make_kinematics(ROBOT))
    return {arm: kinds.get(arm, CommandStream)(config) for arm in PARTS}


def play(script=None, limit_s=12.0, delay_ms=150, **kinds):
    made = streams(**kinds)
    horizon = receding_horizon(TASK)
    rollout = DelayedArms(Carry(), made, horizon, script or Script(), delay_ms * MS, SEED)
    return rollout.run(limit_s), made


def check_limits(played):
    """Nothing that was sent breaks a limit of a joint or of the tip."""
    joint, tip = ROBOT.joint, ROBOT.cartesian
    for times, sent in played.sent.values():
        assert (np.diff(times) == TICK_NS).all()
        speed = np.diff(sent, axis=0) / 0.008
        assert (np.abs(speed) <= joint.speed).all()
        assert (
            np.abs(np.diff(speed, axis=0)) / 0.008 <= np.array(joint.acceleration) + 1e-6
        ).all()
        tips = np.array([KINEMATICS.forward(joints)[:3] for joints in sent.tolist()])
        assert (tips >= np.array(tip.low) - 1e-9).all()
        assert (tips <= np.array(tip.high) + 1e-9).all()
        assert np.linalg.norm(np.diff(tips, axis=0), axis=1).max() / 0.008 <= tip.speed + 1e-6


def last_motion_ns(played, arm):
    times, sent = played.sent[arm]
    return int(times[1:][np.abs(np.diff(sent, axis=0)).max(axis=1) > 0][-1])


@pytest.fixture(scope='module')
def whole():
    script = Script()
    return *play(script), script


def test_one_plan_moves_both_arms_and_brings_the_bar_to_its_goal(whole):
    played, _, _ = whole
    assert played.ending == 'placed'
    assert played.coverage == 1
    assert {arm: set(found) for arm, found in played.verdicts.items()} == {
        arm: {'accepted'} for arm in PARTS
    }
    check_limits(played)


def test_both_arms_go_over_to_a_chunk_at_the_same_time(whole):
    played, _, _ = whole
    assert played.splices['left'] == played.splices['right']
    assert len(played.splices['left']) >= 7
    assert played.closed['left'] == played.closed['right']
    # Once closed, once opened: a gripper knows nothing in between.
    assert np.abs(np.diff(played.closed['left'])).sum() == 2


def test_what_both_are_committed_to_is_known_from_the_second_plan_on(whole):
    _, _, script = whole
    assert script.asked[0][1] is None
    for anchor, committed, delay_steps in script.asked[1:]:
        assert delay_steps == 1
        due = anchor // PERIOD - START_STEPS + np.arange(TASK.horizons.prediction)
        known = np.isfinite(committed).all(axis=1)
        assert known[:3].all()
        expected = script.actions[np.clip(due, 0, len(script.actions) - 1)]
        np.testing.assert_allclose(committed[known], expected[known], atol=1e-9)


def test_a_chunk_that_one_arm_refuses_is_withdrawn_from_the_other():
    played, made = play(limit_s=3.0, right=LateOnce)
    assert played.verdicts['right'] == {'accepted': 2, 'late': 1}
    assert played.verdicts['left'] == {'accepted': 3}
    for arm in PARTS:
        assert made[arm].mode.mode is Mode.HOLDING
        assert 'sees too little' in made[arm].mode.reason
        assert last_motion_ns(played, arm) < played.splices['left'][-1] + 300 * MS
    assert played.closed['left'][-1] is False
    check_limits(played)


def test_an_arm_that_stops_holds_the_other():
    played, made = play(limit_s=4.0, right=Stopping)
    assert made['right'].mode.mode is Mode.PROTECTIVE_STOP
    assert made['left'].mode.mode is Mode.HOLDING
    assert 'right: the controller stopped' in played.ending
    assert max(played.sent['right'][0]) < 2000 * MS
    assert last_motion_ns(played, 'left') < 2300 * MS
    # It is still commanded, and stands.
    assert max(played.sent['left'][0]) > 2000 * MS + WATCHED_NS - 2 * TICK_NS
    check_limits(played)


def test_a_plan_that_one_arm_cannot_follow_stops_both():
    played, made = play(Script(**{'9': 3.0}), limit_s=4.0)
    assert played.verdicts['right']['leap'] == 1
    assert [made[arm].mode.mode for arm in PARTS] == [Mode.HOLDING, Mode.HOLDING]
    assert 'a chunk was refused' in made['right'].mode.reason
    assert played.duration_s < 3
    check_limits(played)


def test_what_one_arm_alone_may_not_begin_is_said():
    with pytest.raises(ValueError, match='right arm, start of seed 3: it is switched off'):
        play(limit_s=0.1, right=SwitchedOff)
