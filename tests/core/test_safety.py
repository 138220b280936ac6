"""No request, however mad, makes a setpoint that breaks a limit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dp_ros import paths
from dp_ros.core.safety import AxisLimits, Limit, Motion, SafetyLimits, stopping_speed
from dp_ros.robot import load_robot
from dp_ros.task import load_task

few = settings(max_examples=20, deadline=None)
fewer = settings(max_examples=8, deadline=None)
TICKS = 100
ROBOT = load_robot(paths.share('config', 'robots', 'ur5e_sim.yaml'))
CARTESIAN = ROBOT.safety(load_task(paths.share('config', 'tasks', 'pusht_cell.yaml')))
JOINT = SafetyLimits(
    False,
    AxisLimits(
        low=np.full(6, -2.0),
        high=np.array([2.0, 2.0, 1.0, 0.5, 0.2, 0.05]),
        speed=np.array([1.0, 1.0, 2.0, 0.5, 3.0, 3.0]),
        acceleration=np.array([10.0, 5.0, 10.0, 2.0, 30.0, 8.0]),
        step=0.5,
    ),
)
LIMITS = {'cartesian': CARTESIAN, 'joint': JOINT}
periods = st.sampled_from([1 / 125, 1 / 500])
seeds = st.integers(0, 2**32 - 1)
KINDS = ('steps', 'walk', 'oscillating', 'huge', 'corners', 'broken', 'braking')


def count(limits):
    return 3 if limits.pose else 6


def anywhere(limits, rng, spread=0.0):
    """A setpoint inside the bounds, or up to `spread` widths outside."""
    width = limits.axes.high - limits.axes.low
    position = limits.axes.low + width * rng.uniform(-spread, 1 + spread, len(width))
    if not limits.pose:
        return position
    return np.concatenate([position, Rotation.random(random_state=rng).as_quat()])


def requests(limits, rng, kinds, ticks):
    """An adversarial stream; None asks for the brake."""
    n = count(limits)
    kind, left = kinds[0], 0
    target = anywhere(limits, rng)
    for tick in range(ticks):
        if left == 0:
            kind, left = rng.choice(kinds), int(rng.integers(1, 40))
            target = anywhere(limits, rng, spread=0.5)
        left -= 1
        request = target.copy()
        if kind == 'walk':
            target[:n] += rng.normal(0, 0.01, n)
            if limits.pose:
                turn = Rotation.from_rotvec(rng.normal(0, 0.05, 3))
                target[n:] = (Rotation.from_quat(target[n:]) * turn).as_quat()
        elif kind == 'oscillating':
            request[:n] += 0.3 * (-1) ** tick
            request[n:] *= (-1) ** tick
        elif kind == 'huge':
            request[:n] = rng.choice([-1e300, 1e300, 1e9], n)
        elif kind == 'corners':
            request[:n] = rng.choice([limits.axes.low, limits.axes.high])
        elif kind == 'broken':
            request[rng.integers(len(request))] = rng.choice([np.nan, np.inf, -np.inf, 1e300])
            request[n:] = 0 if rng.random() < 0.3 else request[n:]
        yield None if kind == 'braking' else request


def turn_rates(setpoints, dt):
    """Angular velocity (ticks, 3) [rad/s] in the base frame."""
    rotations = Rotation.from_quat(np.array(setpoints)[:, 3:])
    return (rotations[1:] * rotations[:-1].inv()).as_rotvec() / dt


def assert_within(limits, setpoints, dt):
    """All of it from the positions sent, not from what the limiter believes."""
    setpoints, axes, n = np.array(setpoints), limits.axes, count(limits)
    assert np.isfinite(setpoints).all()
    position = setpoints[:, :n]
    assert (position >= axes.low).all()
    assert (position <= axes.high).all()
    # A position is rounded to 4e-16 m or rad; that is what differences of it cannot tell.
    digit = np.spacing(np.abs(position).max())
    velocity = np.diff(position, axis=0, prepend=position[:1]) / dt
    assert (np.abs(velocity) <= axes.speed * (1 + 1e-9) + 2 * digit / dt).all()
    total = np.linalg.norm(velocity, axis=1)
    assert (total <= axes.total_speed * (1 + 1e-9) + 4 * digit / dt).all()
    acceleration = np.diff(velocity, axis=0) / dt
    excess = np.abs(acceleration) - axes.acceleration * (1 + 1e-9) - 4 * digit / dt**2
    assert (excess <= 0).all(), excess.max()
    if limits.pose:
        assert np.allclose(np.linalg.norm(setpoints[:, 3:], axis=1), 1, atol=1e-12)
        spin = turn_rates([setpoints[0], *setpoints], dt)
        assert np.linalg.norm(spin, axis=1).max() <= limits.angular_speed * (1 + 1e-9) + 1e-12
        change = np.linalg.norm(np.diff(spin, axis=0), axis=1) / dt
        assert change.max() <= limits.angular_acceleration * (1 + 1e-9) + 1e-15 / dt**2


@pytest.mark.parametrize('space', LIMITS)
def test_no_stream_of_requests_breaks_a_limit(space):
    limits = LIMITS[space]

    @given(seeds, periods, st.sets(st.sampled_from(KINDS), min_size=1))
    @few
    def check(seed, dt, kinds):
        rng = np.random.default_rng(seed)
        motion = Motion.at_rest(anywhere(limits, rng), limits.pose)
        sent = [motion.setpoint]
        for request in requests(limits, rng, sorted(kinds), TICKS):
            if request is None:
                motion = limits.brake(motion, dt)
            else:
                motion, reasons = limits.follow(motion, request, dt)
                sound = np.isfinite(request).all()
                if sound and limits.pose:
                    sound = 0.5 < np.abs(request[3:]).max() * 2 < 2.1  # a unit quaternion
                assert (Limit.NOT_FINITE in reasons) == (not sound)
            sent.append(motion.setpoint)
        assert_within(limits, sent, dt)

    check()


@pytest.mark.parametrize('space', LIMITS)
def test_a_standing_target_is_reached_without_overshoot(space):
    limits = LIMITS[space]

    @given(seeds, periods)
    @few
    def check(seed, dt):
        rng, n = np.random.default_rng(seed), count(limits)
        start, target = anywhere(limits, rng), anywhere(limits, rng)
        # Some axes near, some far: each must brake in its own time.
        target[:n] = start[:n] + (target - start)[:n] * rng.choice([1, 0.1, 0.01, 0], n)
        motion = Motion.at_rest(start, limits.pose)
        sent = [motion.setpoint]
        while np.abs(motion.setpoint - target)[:n].max() > 1e-6 and len(sent) < 8000:
            motion, reasons = limits.follow(motion, target, dt)
            sent.append(motion.setpoint)
        assert len(sent) < 8000, 'never reached'
        for _ in range(20):
            motion, reasons = limits.follow(motion, target, dt)
            sent.append(motion.setpoint)
        assert not reasons - {Limit.ROTATION}
        way = np.array(sent)[:, :n] - target[:n]
        beyond = way * np.sign(start - target)[:n]
        assert beyond.min() >= -1e-12
        assert_within(limits, sent, dt)

    check()


@given(seeds, periods)
@fewer
def test_a_standing_rotation_is_reached_on_the_shortest_way_without_overshoot(seed, dt):
    rng = np.random.default_rng(seed)
    target = anywhere(CARTESIAN, rng)
    turned = Rotation.from_quat(target[3:]) * Rotation.from_rotvec(rng.uniform(-0.4, 0.4, 3))
    motion = Motion.at_rest(np.concatenate([target[:3], turned.as_quat()]), pose=True)
    goal = Rotation.from_quat(target[3:])
    angles = [(goal.inv() * turned).magnitude()]
    for _ in range(int(4 / dt)):
        motion, reasons = CARTESIAN.follow(motion, target, dt)
        angles.append((goal.inv() * Rotation.from_quat(motion.setpoint[3:])).magnitude())
        if angles[-1] < 1e-7:
            break
    # The angle falls all the way and no direction but the first is ever turned about.
    assert np.diff(angles).max() <= 1e-9
    assert angles[-1] < 1e-7
    assert not reasons


@pytest.mark.parametrize('space', LIMITS)
def test_the_brake_stops_in_the_time_of_physics_and_then_stays_to_the_bit(space):
    limits = LIMITS[space]

    @given(seeds, periods, st.integers(1, 60))
    @few
    def check(seed, dt, ticks):
        rng = np.random.default_rng(seed)
        motion = Motion.at_rest(anywhere(limits, rng), limits.pose)
        sent = [motion.setpoint]
        for request in requests(limits, rng, ['steps', 'walk', 'corners'], ticks):
            motion, _ = limits.follow(motion, request, dt)
            sent.append(motion.setpoint)
        needed = np.max(np.abs(motion.velocity) / limits.axes.acceleration)
        if limits.pose:
            needed = max(needed, np.linalg.norm(motion.spin) / limits.angular_acceleration)
        for _ in range(int(np.ceil(needed / dt + 1e-9))):
            motion = limits.brake(motion, dt)
            sent.append(motion.setpoint)
        assert motion.still
        rest = motion.setpoint.tobytes()
        for _ in range(3):
            motion = limits.brake(motion, dt)
            assert motion.setpoint.tobytes() == rest
        assert_within(limits, sent, dt)

    check()


@given(seeds, periods, st.floats(0.02, 0.12), st.floats(0.05, 0.5))
@fewer
def test_a_stream_within_the_limits_is_followed_and_nothing_is_reported(seed, dt, radius, share):
    """A circle at `share` of the speed; the lag of v^2/(2a) stays below the tolerance."""
    rng = np.random.default_rng(seed)
    speed = share * CARTESIAN.axes.total_speed
    centre = (CARTESIAN.axes.low + CARTESIAN.axes.high) / 2
    attitude = Rotation.random(random_state=rng)
    rate = min(speed / radius, 2.0)
    motion, errors = None, []
    for tick in range(int(0.6 / dt)):
        angle = rate * max(0.0, tick * dt) ** 2 / (tick * dt + 0.3)  # from rest
        request = np.concatenate(
            [
                centre + radius * np.array([np.cos(angle), np.sin(angle), 0]),
                (Rotation.from_rotvec([0, 0, 0.1 * np.sin(tick * dt)]) * attitude).as_quat(),
            ]
        )
        motion = motion or Motion.at_rest(request, pose=True)
        motion, reasons = CARTESIAN.follow(motion, request, dt)
        errors.append(np.abs(request - motion.setpoint)[:3].max())
        assert not reasons
    assert max(errors) <= CARTESIAN.axes.tolerance


@given(periods)
@few
def test_a_slow_joint_stream_is_followed_and_nothing_is_reported(dt):
    start = np.array([0.5, -0.5, 0.2, 0.1, -0.3, -0.5])
    motion = Motion.at_rest(start, pose=False)
    for tick in range(int(1 / dt)):
        request = start + 0.1 * (1 - np.cos(tick * dt)) * np.array([1, -1, 1, -1, 1, 1])
        motion, reasons = JOINT.follow(motion, request, dt)
        assert not reasons
        assert np.abs(motion.setpoint - request).max() < JOINT.axes.tolerance


def pose(x=0.45, y=0.0, z=0.2, turn=(0, 0, 0)):
    return np.concatenate([[x, y, z], Rotation.from_rotvec(turn).as_quat()])


@pytest.mark.parametrize(
    ('request_', 'limit'),
    [
        (pose(x=np.nan), Limit.NOT_FINITE),
        (np.array([0.45, 0, 0.2, 0, 0, 0, 0]), Limit.NOT_FINITE),
        (pose(x=0.56), Limit.STEP),
        (pose(x=0.54), Limit.SPEED),
        (pose(x=0.456), Limit.ACCELERATION),
        (pose(turn=(0, 0.5, 0)), Limit.ROTATION),
    ],
)
def test_each_limit_is_named(request_, limit):
    _, reasons = CARTESIAN.follow(Motion.at_rest(pose(), pose=True), request_, 1 / 125)
    assert limit in reasons


def test_the_workspace_is_named_and_its_edge_reached():
    motion = Motion.at_rest(pose(z=0.02), pose=True)
    for _ in range(100):
        motion, reasons = CARTESIAN.follow(motion, pose(z=-0.05), 1 / 125)
        assert Limit.WORKSPACE in reasons
    assert motion.setpoint[2] == pytest.approx(0.0, abs=1e-9)


def test_setpoints_are_read_only():
    motion, _ = CARTESIAN.follow(Motion.at_rest(pose(), pose=True), pose(x=0.5), 1 / 125)
    for setpoint in (motion.setpoint, CARTESIAN.brake(motion, 1 / 125).setpoint):
        with pytest.raises(ValueError, match='read-only'):
            setpoint[0] = 1.0


@given(st.floats(0, 10), st.floats(0.1, 100), periods)
@settings(max_examples=200, deadline=None)
def test_the_stopping_speed_stops_exactly_at_the_end(distance, acceleration, dt):
    speed, way, ticks = float(stopping_speed(distance, acceleration, dt)), 0.0, 0
    while speed > 0 and ticks < 50_000:
        way += speed * dt
        speed, ticks = speed - acceleration * dt, ticks + 1
    assert way == pytest.approx(distance, abs=1e-9)


def test_without_bounds_there_is_no_stopping():
    assert np.isfinite(stopping_speed(np.inf, 10.0, 0.008))
    assert stopping_speed(0.0, 10.0, 0.008) == 0
    assert stopping_speed(-1.0, 10.0, 0.008) == 0
