"""The robot file and the limits that it stands for."""

import copy

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros import paths, yamlfile
from dp_ros.core.safety import Motion
from dp_ros.robot import Robot, load_robot
from dp_ros.task import JointAction, load_task
from dp_ros.yamlfile import ConfigError

SHIPPED = sorted(paths.share('config', 'robots').glob('*.yaml'))
CELL = paths.share('config', 'robots', 'ur5e_sim.yaml')
TASK = load_task(paths.share('config', 'tasks', 'pusht_cell.yaml'))


EYES = load_task(paths.share('config', 'tasks', 'pusht_cell_image.yaml'))
REAL = {'driver': 'realsense', 'serial': '1234'}
WEBCAM = {'driver': 'webcam', 'device': '/dev/video0'}
VIEW = {'driver': 'cell', 'view': 'wrist'}


def changed(place, value):
    content = yaml.safe_load(CELL.read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = copy.copy(value)
    return content


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_shipped_robots_load_and_survive_a_round_trip(path):
    robot = load_robot(path)
    assert yamlfile.parse(Robot, yaml.safe_load(yamlfile.dump(robot)), 'again') == robot


@pytest.mark.parametrize(
    ('place', 'value', 'words'),
    [
        (('cartesian', 'sped'), 1, ["'cartesian.sped'", "did you mean 'speed'"]),
        (('arm', 'adress'), '::1', ["'arm.adress'", "did you mean 'address'"]),
        (('arm', 'driver'), 'kuka', ['arm.driver', "found 'kuka'"]),
        (('arm', 'joints'), ['a'], ['arm.joints']),
        (('rate_hz',), 250, ['rate_hz', '125', '500', 'found 250']),
        (('first_step',), 0, ['first_step', 'greater than 0']),
        (('cartesian', 'speed'), -1, ['cartesian.speed', 'greater than 0']),
        (('cartesian', 'acceleration'), float('nan'), ['cartesian.acceleration', 'finite']),
        (('cartesian', 'low'), [0, 0, 0.4], ['must lie below high', 'every axis']),
        (('cartesian', 'low'), [float('nan'), 0, 0], ['cartesian.low.0', 'finite']),
        (('joint', 'low'), [-1, -1, 4, -1, -1, -1], ['must lie below high', 'every joint']),
        (('joint', 'speed'), [1, 1, 1, 1, 1, 0], ['must be above 0']),
        (('joint', 'acceleration'), [1, -1, 1, 1, 1, 1], ['must be above 0']),
        (('joint', 'step'), 0, ['joint.step']),
        (('cartesian', 'jerk'), 0, ['cartesian.jerk', 'greater than 0']),
        (('cartesian', 'table_z'), 0.4, ['table_z 0.4 must lie below the top of the workspace']),
        (
            ('cartesian', 'keep_out'),
            {'all': {'low': [0, -1, -1], 'high': [1, 1, 1]}},
            ["keep_out 'all' swallows the whole workspace"],
        ),
        (
            ('cartesian', 'keep_out'),
            {'flat': {'low': [0, 0, 0], 'high': [1, 1, 0]}},
            ['must lie below high'],
        ),
        (('joint', 'jerk'), [1, 1, 1, 1, 1, 0], ['must be above 0']),
        (('joint', 'margin'), 3.2, ['margin 3.2 leaves nothing of a joint']),
        (('joint', 'stop_at'), 0.01, ['stop_at 0.01 must lie below slow_from 0.006']),
        (('cameras',), {'two words': REAL}, ['cameras.two words']),
        (
            ('cameras',),
            {'a': {'driver': 'zed'}},
            ["'realsense'", "'webcam'", "'cell'"],
        ),
        (('cameras',), {'a': {'driver': 'realsense'}}, ['cameras.a.realsense.serial', 'missing']),
        (('cameras',), {'a': REAL | {'serial': ''}}, ['cameras.a.realsense.serial']),
        (
            ('cameras',),
            {'a': REAL | {'width': 0}},
            ['a.realsense.width', 'greater than 0'],
        ),
        (('cameras',), {'a': REAL | {'exposure_us': 0}}, ['cameras.a.realsense.exposure_us']),
        (
            ('cameras',),
            {'a': REAL | {'device': 'x'}},
            ['unknown key', "realsense.device'"],
        ),
        (('cameras',), {'a': WEBCAM | {'device': ''}}, ['cameras.a.webcam.device']),
        (('cameras',), {'a': VIEW | {'view': 'side'}}, ['view', "'overhead'", "found 'side'"]),
        (('cameras',), {'a': VIEW | {'drop': 1}}, ['cameras.a.cell.drop', 'less than 1']),
        (('latencies_s',), {'/a': -0.01}, ['latencies_s./a', 'found -0.01']),
        (('latencies_s',), {'/a': 20}, ['latencies_s./a', 'found 20']),
    ],
)
def test_a_wrong_robot_file_names_the_key(place, value, words):
    with pytest.raises(ConfigError) as caught:
        yamlfile.parse(Robot, changed(place, value), 'cell.yaml')
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_older_robot_file_gets_limits_that_work():
    content = yaml.safe_load(CELL.read_text())
    for name in ('jerk', 'table_z', 'angular_jerk'):
        del content['cartesian'][name]
    for name in ('jerk', 'margin', 'slow_from', 'stop_at'):
        del content['joint'][name]
    made = yamlfile.parse(Robot, content, 'cell.yaml').safety(TASK)
    np.testing.assert_allclose(made.axes.jerk, 2000 / np.sqrt(3))
    assert (made.joint.margin, made.joint.slow_from, made.joint.stop_at) == (0.1, 0.006, 0.002)
    assert made.tool.table_z == -np.inf


def test_boxes_to_keep_out_of_and_the_table_reach_the_limits_by_name():
    content = changed(('cartesian', 'keep_out'), {'post': {'low': [0, 0, 0], 'high': [1, 1, 1]}})
    content['cartesian']['table_z'] = 0.02
    tool = yamlfile.parse(Robot, content, 'cell.yaml').safety(TASK).tool
    assert [box.reason for box in tool.keep_out] == ['keep-out post']
    assert tool.table_z == 0.02


def test_the_limits_are_those_of_the_tasks_action_space():
    robot = load_robot(CELL)
    cartesian = robot.safety(TASK)
    assert cartesian.pose
    assert cartesian.axes.total_speed == robot.cartesian.speed
    assert cartesian.axes.step == robot.cartesian.step
    np.testing.assert_array_equal(cartesian.axes.low, robot.cartesian.low)
    np.testing.assert_array_equal(cartesian.axes.high, robot.cartesian.high)
    assert cartesian.angular_speed == robot.cartesian.angular_speed
    assert cartesian.angular_acceleration == robot.cartesian.angular_acceleration
    action = JointAction(space='joint', components=robot.arm.joints)
    joint = robot.safety(TASK.model_copy(update={'action': action}))
    assert not joint.pose
    for name in ('low', 'high', 'speed', 'acceleration'):
        np.testing.assert_array_equal(getattr(joint.axes, name), getattr(robot.joint, name))


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1), st.floats(0.5, 20))
@settings(max_examples=20, deadline=None)
def test_the_total_acceleration_of_the_tcp_keeps_its_limit_in_every_direction(seed, speed, most):
    content = changed(('cartesian', 'acceleration'), most)
    content['cartesian']['speed'] = speed
    limits = yamlfile.parse(Robot, content, 'cell.yaml').safety(TASK)
    rng, dt = np.random.default_rng(seed), 1 / 125
    motion = Motion.at_rest(np.array([0.45, 0, 0.2, 0, 0, 0, 1]), pose=True)
    sent = [motion.setpoint[:3]] * 2
    for tick in range(80):
        if tick % 15 == 0:
            target = np.concatenate([rng.uniform(limits.axes.low, limits.axes.high), [0, 0, 0, 1]])
        braking = rng.random() < 0.1
        motion = limits.brake(motion) if braking else limits.follow(motion, target, dt)[0]
        sent.append(motion.setpoint[:3])
    velocity = np.diff(sent, axis=0) / dt
    total = np.linalg.norm(np.diff(velocity, axis=0), axis=1) / dt
    assert total.max() <= most * (1 + 1e-9) + 1e-10
    assert np.linalg.norm(velocity, axis=1).max() <= speed * (1 + 1e-9)


@pytest.mark.parametrize(
    ('one', 'device'),
    [(REAL, 'serial 1234'), (WEBCAM, '/dev/video0'), (VIEW, 'view wrist')],
)
def test_one_device_under_two_names_is_refused(one, device):
    with pytest.raises(ConfigError, match=f"cameras 'left' and 'right' are the same .* {device};"):
        yamlfile.parse(
            Robot,
            changed(('cameras',), {'left': one, 'right': one | {'rate_hz': 15}}),
            'cell.yaml',
        )


def test_cameras_of_all_kinds_stand_side_by_side():
    cameras = {'a': REAL, 'b': REAL | {'serial': '5678'}, 'c': WEBCAM, 'd': VIEW}
    robot = yamlfile.parse(Robot, changed(('cameras',), cameras), 'cell.yaml')
    kinds = [type(camera).__name__ for camera in robot.cameras.values()]
    assert kinds == ['RealSenseSettings'] * 2 + ['WebcamSettings', 'CellCameraSettings']
    assert yamlfile.parse(Robot, yaml.safe_load(yamlfile.dump(robot)), 'again') == robot


def test_a_robot_needs_no_cameras_for_a_task_without_images():
    robot = yamlfile.parse(Robot, changed(('cameras',), {}), 'cell.yaml')
    robot.require_cameras(TASK, 'cell.yaml')


def test_the_shipped_cell_has_the_cameras_of_its_task():
    load_robot(CELL).require_cameras(EYES, 'ur5e_sim.yaml')


def test_cameras_that_the_task_names_otherwise_are_refused_with_both_lists():
    cameras = {'wrist': VIEW, 'front': VIEW | {'view': 'overhead'}}
    robot = yamlfile.parse(Robot, changed(('cameras',), cameras), 'cell.yaml')
    with pytest.raises(ValueError, match='missing') as caught:
        robot.require_cameras(EYES, 'cell.yaml')
    text = str(caught.value)
    assert "'pusht_cell_image' sees the cameras ['overhead', 'wrist']" in text
    assert "cell.yaml has ['wrist', 'front']: ['overhead'] missing" in text


def test_frames_of_another_size_than_the_tasks_are_refused_with_both_sizes():
    robot = yamlfile.parse(Robot, changed(('cameras', 'wrist', 'width'), 640), 'cell.yaml')
    with pytest.raises(ValueError, match=r'sets 640 x 240 pixels, .* expects 320 x 240') as caught:
        robot.require_cameras(EYES, 'cell.yaml')
    assert "camera 'wrist': cell.yaml" in str(caught.value)


def test_a_rate_of_a_camera_that_is_not_the_tasks_is_refused_with_both():
    """Half of the frames would count as missing, or windows would not wait for theirs."""
    robot = yamlfile.parse(Robot, changed(('cameras', 'wrist', 'rate_hz'), 15), 'cell.yaml')
    with pytest.raises(ValueError, match=r"'wrist': cell.yaml sets 15 Hz, .* expects 30 Hz: say"):
        robot.require_cameras(EYES, 'cell.yaml')


def test_latencies_are_whole_nanoseconds_and_0_where_none_is_given():
    content = changed(('latencies_s',), {'/tcp_pose': 0.0123456789})
    robot = yamlfile.parse(Robot, content, 'cell.yaml')
    assert robot.latency_ns('/tcp_pose') == 12_345_679
    assert robot.latency_ns('/joint_states') == 0
