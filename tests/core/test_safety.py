"""No request, however mad, makes a setpoint that breaks a limit; a sane one is followed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dp_ros.core.safety import Limit, Motion
from tests.core.adversary import requests
from tests.core.safety_oracle import (
    BOXES,
    HOME,
    HOME_JOINTS,
    KINEMATICS,
    REAL,
    SIM,
    TASK,
    assert_within,
    joints_of,
    limits,
    start,
)  # fmt: skip

few = settings(max_examples=6, deadline=None)
fewer = settings(max_examples=3, deadline=None)
seeds = st.integers(0, 2**32 - 1)
periods = st.sampled_from([1 / 125, 1 / 500])
DT = 1 / 125

NARROW = {
    'low': HOME_JOINTS - np.array([0.4, 0.5, 0.5, 0.5, 0.3, 0.4]),
    'high': HOME_JOINTS + np.array([0.3, 0.5, 0.5, 0.5, 0.3, 0.5]),
    'speed': np.full(6, 0.6),
    'acceleration': np.full(6, 6.0),
    'slow_from': 0.05,
    'stop_at': 0.03,
}
ALL = {
    'cell': limits(),
    'obstacles': limits(boxes=BOXES, tool={'table_z': 0.02}),
    'real': limits(REAL, boxes=BOXES, tool={'table_z': 0.02}),
    'narrow joints': limits(joints=NARROW),
    'no kinematics': limits(kinematics=None),
    'joints': limits(joint=True),
    'joints, real, obstacles': limits(REAL, joint=True, boxes=BOXES, tool={'table_z': 0.05}),
    'joints, singular': limits(joint=True, joints={'slow_from': 0.06, 'stop_at': 0.04}),
}
CARTESIAN, JOINT = ALL['cell'], ALL['joints']


def standing(made, setpoint=None):
    return made.standing(start(made) if setpoint is None else setpoint, HOME_JOINTS)


def follow(made, motion, stream, dt=DT):
    """The motion after a stream of requests, all that was sent, and the ticks of each limit."""
    sent, named = [motion.setpoint], {}
    for request in stream:
        if request is None:
            motion = made.brake(motion)
        else:
            motion, reasons = made.follow(motion, request, dt)
            for reason in reasons:
                named[reason] = named.get(reason, 0) + 1
        sent.append(motion.setpoint)
    return motion, np.array(sent), named


def stop(made, motion):
    """The setpoints until the arm rests, at most two seconds."""
    sent = []
    while not motion.still:
        assert len(sent) < 1000, 'never comes to rest'
        motion = made.brake(motion)
        sent.append(motion.setpoint)
    return motion, sent


def pose(x=0.45, y=0.0, z=0.2, turn=(0, 0, 0)):
    turned = Rotation.from_rotvec(turn) * Rotation.from_quat(HOME[3:])
    return np.concatenate([[x, y, z], turned.as_quat()])


# Whatever is asked.


@pytest.mark.parametrize('name', ALL)
def test_no_stream_of_requests_breaks_a_limit(name):
    made = ALL[name]

    @given(seeds, periods)
    @few
    def check(seed, dt):
        rng = np.random.default_rng(seed)
        stream = requests(made, start(made), rng, 120, dt)
        motion, sent, _ = follow(made, standing(made), stream, dt)
        motion, rest = stop(made, motion)
        assert made.brake(motion).setpoint.tobytes() == motion.setpoint.tobytes()
        assert_within(made, [*sent, *rest, motion.setpoint, motion.setpoint], dt)

    check()


@pytest.mark.parametrize('made', [CARTESIAN, JOINT], ids=['cartesian', 'joint'])
@pytest.mark.parametrize('period', [2, 6, 12, 25])
def test_requests_that_swing_at_any_frequency_break_no_limit(made, period):
    begin = start(made)
    offset = 0.08 * np.sign(np.arange(len(made.axes.low)) - 0.5)
    stream = []
    for tick in range(150):
        request = begin.copy()
        request[: len(offset)] += offset * (-1) ** (tick // period)
        stream.append(request)
    _, sent, _ = follow(made, standing(made), stream)
    assert_within(made, sent, DT)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('made', [CARTESIAN, JOINT], ids=['cartesian', 'joint'])
def test_what_is_not_finite_brakes_to_rest_and_is_named(made, value):
    begin = start(made)
    along = np.eye(len(begin))[0]
    motion, _, _ = follow(made, standing(made), (begin + 0.002 * k * along for k in range(20)))
    assert not motion.still
    braked = stop(made, motion)[0].setpoint
    broken = begin.copy()
    broken[1] = value
    motion, _, named = follow(made, motion, [broken] * 60)
    assert motion.still
    assert named == {Limit.NOT_FINITE: 60}
    assert motion.setpoint.tobytes() == braked.tobytes()


def test_a_quaternion_of_another_length_is_none():
    _, reasons = CARTESIAN.follow(standing(CARTESIAN), np.append(HOME[:3], np.zeros(4)), DT)
    assert reasons == {Limit.NOT_FINITE}


# Following.


@pytest.mark.parametrize('name', ['cell', 'real', 'no kinematics', 'joints'])
def test_a_standing_target_is_reached_without_overshoot(name):
    made = limits(REAL) if name == 'real' else ALL[name]

    @given(seeds, periods)
    @fewer
    def check(seed, dt):
        rng, begin = np.random.default_rng(seed), start(made)
        n = len(made.axes.low)
        target = begin.copy()
        # Some axes near, some far: each must brake in its own time.
        target[:n] += rng.uniform(-0.09, 0.09, n) * rng.choice([1, 0.1, 0.01, 0], n)
        motion, sent, _ = follow(made, standing(made), [target] * round(1.5 / dt), dt)
        np.testing.assert_allclose(motion.setpoint[:n], target[:n], atol=1e-9)
        assert motion.still
        assert made.follow(motion, target, dt)[0].setpoint.tobytes() == motion.setpoint.tobytes()
        beyond = (sent[:, :n] - target[:n]) * np.sign(begin - target)[:n]
        # Ruckig meets a target to 10 nm.
        assert beyond.min() >= -1e-7

    check()


@given(seeds, periods)
@fewer
def test_a_standing_rotation_is_reached_on_the_shortest_way_without_overshoot(seed, dt):
    turn = np.random.default_rng(seed).uniform(-0.4, 0.4, 3)
    target = pose(turn=turn)
    motion, sent, _ = follow(CARTESIAN, standing(CARTESIAN), [target] * round(2 / dt), dt)
    goal = Rotation.from_quat(target[3:])
    angles = (goal.inv() * Rotation.from_quat(sent[:, 3:])).magnitude()
    # The three axes end one after the other, which turns the rest of the way by a little.
    assert np.diff(angles).max() <= 1e-4
    assert angles[-1] < 1e-7
    assert motion.still


@pytest.mark.parametrize(
    ('robot', 'speed', 'lag_mm'),
    [(SIM, 0.1, 0.93), (SIM, 0.2, 2.7), (SIM, 0.4, 8.9), (REAL, 0.1, 4.7), (REAL, 0.2, 16.4)],
)
def test_a_moving_request_is_followed_at_the_stopping_distance(robot, speed, lag_mm):
    made = limits(robot)
    stream = [pose(y=speed * DT * k) for k in range(1, 61)]
    end = stream[-1]
    motion, sent, _ = follow(made, standing(made), stream)
    # And by how far it moves in what a plan looks ahead.
    lag_mm += speed * made.foresight(DT) * 1e3
    assert (end[1] - sent[-1, 1]) * 1e3 == pytest.approx(lag_mm, rel=0.03)
    motion, rest, _ = follow(made, motion, [end] * 60)
    assert motion.still
    assert motion.setpoint[1] == pytest.approx(end[1], abs=1e-9)
    assert rest[:, 1].max() <= end[1] + 0.02 * speed * made.foresight(DT)


@pytest.mark.parametrize('robot', [SIM, REAL], ids=['sim', 'real'])
def test_waypoints_at_10_hz_are_followed_without_oscillation(robot):
    """Between corners the speed of the request is met and kept."""
    made, rng = limits(robot), np.random.default_rng(0)
    corners = np.cumsum(np.abs(rng.normal(0.012, 0.004, 11)))
    times = np.arange(125) * DT
    stream = [pose(y=y) for y in np.interp(times, np.arange(11) * 0.1, corners - corners[0])]
    _, sent, named = follow(made, standing(made), stream)
    speed = np.diff(sent[:, 1]) / DT
    assert speed.min() >= -1e-9
    # Each corner is one change of speed, up or down: the speed turns no more often than that.
    turns = np.diff(np.sign(np.where(np.abs(np.diff(speed)) > 1e-6, np.diff(speed), 0)))
    assert np.count_nonzero(np.abs(turns) == 2) <= 24
    assert not set(named) - {Limit.TCP_SPEED, Limit.TCP_ACCELERATION, Limit.JERK}
    assert_within(made, sent, DT)


def test_requests_whose_times_jitter_are_followed_smoothly():
    made, rng = CARTESIAN, np.random.default_rng(1)
    times = np.arange(100) * DT + rng.normal(0, 0.0007, 100)
    _, sent, named = follow(made, standing(made), [pose(y=0.15 * t) for t in times])
    change = np.diff(sent[40:, 1], 2) / DT**2
    assert np.abs(sent[-1, 1] - 0.15 * times[-1]) < 0.004
    assert np.sqrt(np.mean(change**2)) < 4.0
    assert not named


@given(seeds)
@few
def test_a_request_that_stops_at_any_moment_is_hardly_overshot(seed):
    """Also while the arm is still catching up with it."""
    rng = np.random.default_rng(seed)
    steps = np.abs(rng.normal(0, 0.002, int(rng.integers(5, 40))))
    steps[: int(rng.integers(0, 5))] = 0.01
    way = np.append(np.cumsum(steps), [steps.sum()] * 80)
    motion, sent, _ = follow(CARTESIAN, standing(CARTESIAN), [pose(y=y) for y in way])
    # By no more than the request moves in one plan.
    moves = np.max(way[2:] - way[:-2])
    assert sent[:, 1].max() <= way[-1] + moves
    assert motion.still
    assert motion.setpoint[1] == pytest.approx(way[-1], abs=1e-9)


def test_a_slow_joint_stream_is_followed_and_nothing_is_reported():
    direction = np.array([1, -1, 1, -1, 1, 1])
    stream = [HOME_JOINTS + 0.05 * (1 - np.cos(k * DT)) * direction for k in range(125)]
    motion, _, named = follow(JOINT, standing(JOINT), stream)
    assert not named
    assert np.abs(motion.setpoint - stream[-1]).max() < JOINT.axes.tolerance


# Stopping.


@pytest.mark.parametrize('name', ['cell', 'obstacles', 'joints'])
def test_the_brake_stops_in_the_time_of_physics(name):
    made = ALL[name]

    @given(seeds, st.integers(1, 60))
    @few
    def check(seed, ticks):
        rng = np.random.default_rng(seed)
        stream = requests(made, start(made), rng, ticks, DT, kinds=['steps', 'ramp', 'twist'])
        motion, _, _ = follow(made, standing(made), stream)
        # To the acceleration and from it, and the speed in between; scaled down at worst.
        bounds = made.axes
        speed = np.abs(motion.velocity[: len(bounds.low)]) / bounds.acceleration
        needed = speed.max() + 3 * np.max(bounds.acceleration / bounds.jerk)
        if made.pose and len(motion.velocity) == 6:
            turn = np.linalg.norm(motion.velocity[3:])
            needed = max(needed, turn / (made.angular_acceleration / 2) + 0.1)
        _, rest = stop(made, motion)
        scaled = 1.0 if made.pose else 5.0
        assert len(rest) * DT <= scaled * needed + 3 * DT

    check()


def test_setpoints_are_read_only():
    motion, _ = CARTESIAN.follow(standing(CARTESIAN), pose(x=0.5), DT)
    for setpoint in (motion.setpoint, CARTESIAN.brake(motion).setpoint):
        with pytest.raises(ValueError, match='read-only'):
            setpoint[0] = 1.0


# Obstacles.


def box_ahead(name='post', low=(0.5, -0.05, -0.1), high=(0.56, 0.05, 0.5)):
    return dataclasses.replace(BOXES[0], name=name, low=np.array(low), high=np.array(high))


@pytest.mark.parametrize('target', [pose(x=0.53), pose(x=0.65)], ids=['inside', 'beyond'])
def test_the_arm_stops_in_front_of_a_box_in_its_way(target):
    made = limits(boxes=(box_ahead(),))
    motion, sent, named = follow(made, standing(made), [target] * 120)
    assert motion.still
    assert 0.4985 < motion.setpoint[0] <= 0.5
    assert np.abs(sent[:, 1:3] - HOME[1:3]).max() < 1e-9
    assert named['keep-out post'] > 60
    assert_within(made, sent, DT)


def test_a_request_that_passes_a_box_glides_along_its_side():
    made = limits(boxes=(box_ahead(),))
    stream = [pose(x=0.53, y=0.12 * k / 200) for k in range(200)]
    motion, sent, named = follow(made, standing(made), stream)
    assert motion.setpoint[1] > 0.09
    assert 'keep-out post' in named
    assert_within(made, sent, DT)


def test_a_box_thinner_than_a_tick_is_not_jumped_over():
    made = limits(boxes=(box_ahead('pane', (0.5, -0.3, -0.1), (0.501, 0.3, 0.5)),))
    _, sent, _ = follow(made, standing(made), [pose(x=0.54), pose(x=0.6)] * 60)
    assert sent[:, 0].max() <= 0.5
    assert_within(made, sent, DT)


def test_the_table_is_named_and_kept_though_the_box_ends_below():
    made = limits(tool={'table_z': 0.05})
    stream = [pose(z=max(0.2 - 0.0015 * k, -0.02)) for k in range(200)]
    motion, sent, named = follow(made, standing(made), stream)
    assert motion.setpoint[2] == pytest.approx(0.05, abs=1e-6)
    assert sent[:, 2].min() >= 0.05
    assert set(named) == {Limit.TABLE}


def test_the_workspace_is_named_and_its_edge_reached():
    motion, _, named = follow(CARTESIAN, standing(CARTESIAN, pose(z=0.35)), [pose(z=0.43)] * 60)
    assert named[Limit.WORKSPACE] == 60
    assert motion.setpoint[2] == pytest.approx(0.4, abs=1e-6)


# The other space.


def test_the_arm_slows_down_before_it_stops_at_a_singularity():
    made = limits(tool={'low': np.array([0.1, -0.4, 0.0]), 'high': np.array([1.2, 0.4, 0.5])})
    axes = dataclasses.replace(made.axes, low=made.tool.low, high=made.tool.high)
    made = dataclasses.replace(made, axes=axes)
    stream = [pose(x=0.45 + 0.2 * DT * k) for k in range(500)]
    motion, sent, named = follow(made, standing(made), stream)
    speed = np.diff(sent[:, 0]) / DT
    assert motion.still
    agility = KINEMATICS.manipulability(joints_of(sent))
    assert made.joint.stop_at <= agility[-1] < made.joint.slow_from
    # It was slow before it stopped: for a good while below half of the speed.
    assert np.count_nonzero((speed > 1e-3) & (speed < 0.1)) > 12
    assert named[Limit.SINGULARITY] > 50
    assert_within(made, sent, DT)


def test_it_moves_away_from_a_singularity_without_being_held():
    made = limits(joints={'slow_from': 0.07, 'stop_at': 0.01})
    away = KINEMATICS.manipulability(joints_of([pose(), pose(x=0.5)]))
    assert away[0] < 0.07
    assert away[1] > away[0]
    stream = [pose(x=0.45 + 0.15 * DT * k) for k in range(40)]
    motion, _, named = follow(made, standing(made), stream)
    assert not named
    assert motion.setpoint[0] > 0.49


@pytest.mark.parametrize('joint', [False, True], ids=['cartesian', 'joint'])
def test_a_joint_slows_down_before_the_end_of_its_range(joint):
    """The base joint turns with the tip's y."""
    end = 0.25
    high = HOME_JOINTS + end
    made = limits(joint=joint, joints={'high': high, 'low': HOME_JOINTS - 3, 'margin': 0.15})
    axes = dataclasses.replace(made.axes, high=high) if joint else made.axes
    made = dataclasses.replace(made, axes=axes)
    turned = Rotation.from_euler('z', 0.4)
    if joint:
        target = HOME_JOINTS + 0.4 * np.eye(6)[0]
    else:
        quaternion = (turned * Rotation.from_quat(HOME[3:])).as_quat()
        target = np.append(turned.apply(HOME[:3]), quaternion)
    motion, sent, named = follow(made, standing(made), [target] * 600)
    base = (sent if joint else joints_of(sent))[:, 0] - HOME_JOINTS[0]
    speed = np.diff(base) / DT
    assert motion.still
    assert end - 0.02 < base[-1] <= end + 1e-9
    assert np.count_nonzero((base[1:] > end - 0.1) & (speed < 0.7 * speed.max())) > 5
    assert Limit.JOINT_POSITION in named
    assert_within(made, sent, DT)


def test_a_pose_out_of_reach_is_not_gone_to():
    made = ALL['narrow joints']
    motion, sent, named = follow(made, standing(made), [pose(turn=(2.5, 0, 0))] * 150)
    assert motion.still
    assert named
    assert_within(made, sent, DT)


# Names.


@pytest.mark.parametrize(
    ('made', 'request_', 'limit'),
    [
        (CARTESIAN, pose(x=0.56), Limit.STEP),
        (CARTESIAN, pose(x=0.54), Limit.TCP_SPEED),
        (limits(kinematics=None), pose(x=0.456), Limit.JERK),
        (CARTESIAN, pose(turn=(0, 0.5, 0)), Limit.ROTATION),
        (JOINT, HOME_JOINTS + 0.6, Limit.STEP),
        (JOINT, HOME_JOINTS + 6, Limit.JOINT_POSITION),
    ],
)
def test_each_limit_is_named(made, request_, limit):
    _, reasons = made.follow(standing(made), request_, DT)
    assert limit in reasons


@pytest.mark.parametrize(
    ('made', 'target', 'limit'),
    [
        (limits(REAL), pose(x=0.48), Limit.TCP_ACCELERATION),
        (limits(joints={'speed': np.full(6, 0.2)}), pose(y=0.05), Limit.JOINT_SPEED),
        (limits(joints={'acceleration': np.full(6, 2.0)}), pose(y=0.02), Limit.JOINT_ACCELERATION),
        (limits(joint=True, tool={'speed': 0.05}), HOME_JOINTS + 0.2, Limit.TCP_SPEED),
        (limits(joint=True, tool={'acceleration': 1.0}), HOME_JOINTS + 0.02,
         Limit.TCP_ACCELERATION),
        (limits(joint=True, boxes=(box_ahead('a', (0.2, 0.01, -1), (0.9, 0.1, 1)),)),
         HOME_JOINTS + 0.3 * np.eye(6)[0], 'keep-out a'),
    ],
)  # fmt: skip
def test_a_limit_met_on_the_way_is_named(made, target, limit):
    _, sent, named = follow(made, standing(made), [target] * 100)
    assert named.get(limit, 0) > 1, named
    assert_within(made, sent, DT)


# Standing.


def test_where_an_arm_may_not_stand_is_told_by_the_name_of_the_limit():
    made = ALL['obstacles']
    assert made.refusal(HOME, HOME_JOINTS) == ''
    assert made.refusal(pose(x=0.53, y=-0.05, z=0.1), HOME_JOINTS) == 'keep-out post'
    assert made.refusal(pose(z=0.01), HOME_JOINTS) == Limit.TABLE
    assert made.refusal(pose(x=0.8), HOME_JOINTS) == Limit.WORKSPACE
    assert made.refusal(pose(x=3.0), HOME_JOINTS) == Limit.SINGULARITY
    assert made.refusal(pose() * np.nan, HOME_JOINTS) == Limit.NOT_FINITE
    narrow = limits(joints={'high': HOME_JOINTS - 0.1})
    assert narrow.refusal(HOME, HOME_JOINTS) == Limit.JOINT_POSITION


def test_an_arm_that_stands_beyond_a_limit_does_not_move():
    made = limits(joints={'high': HOME_JOINTS - 0.1, 'low': HOME_JOINTS - 3})
    motion, _, _ = follow(made, standing(made), [pose(x=0.5)] * 20)
    assert motion.setpoint.tobytes() == HOME.tobytes()


def test_without_kinematics_the_joints_need_not_be_known():
    made = SIM.safety(TASK)
    motion, _ = made.follow(Motion.at_rest(HOME, pose=True), pose(x=0.5), DT)
    assert motion.path.joints is None
    assert not motion.still
