"""Bags whose every value is a known function of time, for tests of what is made of bags."""

import numpy as np

from dp_ros import yamlfile
from dp_ros.data import episode
from dp_ros.data.bag_writer import TYPES, BagWriter
from dp_ros.data.stream_inputs import JOINTS, POSE, RAW_IMAGE
from dp_ros.data.topic_names import COMMAND, MODE, TCP_POSE
from dp_ros.paths import share
from dp_ros.robot import Robot, load_robot

START_NS = 1_700_000_000_000_000_000
TEXT = 'std_msgs/msg/String'
LATE_NS = 5_000_000
"""From a stamp to the message's arrival."""


def robot(*cameras):
    """The simulated cell's arm, with `cameras` instead of its own."""
    known = load_robot(share('config', 'robots', 'ur5e_sim.yaml')).model_dump()
    views = ('overhead', 'wrist')
    known['cameras'] = {
        camera.name: {
            'driver': 'cell',
            'view': view,
            'width': camera.width,
            'height': camera.height,
        }
        for camera, view in zip(cameras, views, strict=False)
    }
    return yamlfile.parse(Robot, known, 'robot')


def tip(seconds):
    """x, y [m] of the measured tip."""
    return 0.3 + 0.02 * seconds, -0.1 + 0.05 * seconds


def commanded(seconds):
    """x, y [m] of the commanded tip."""
    return 0.4 - 0.03 * seconds, 0.2 + 0.04 * seconds


def frame(camera, number):
    """Frame `number` of a camera, noise."""
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (camera.height, camera.width, 3), np.uint8)


def record(
    folder,
    task,
    robot,
    seconds=2.0,
    modes=((0.0, 'teleoperated'),),
    keep=None,
    shift=None,
    **known,
):
    """A bag of poses and commands at 60 Hz and of frames at 30 Hz; returns `folder`.

    keep(topic, seconds): whether a message is written. shift(topic, seconds): by how much its
    stamp is wrong [s]. known: fields of episode.yaml.
    """
    writer = BagWriter(folder)
    writer.add_topic(MODE, TEXT)
    writer.add_topic(TCP_POSE, POSE)
    writer.add_topic(COMMAND, POSE if task.action.space == 'cartesian' else JOINTS)
    for camera in task.cameras:
        writer.add_topic(camera.topic, RAW_IMAGE)
    for at, topic, kind, made in sorted(_said(task, seconds, modes), key=lambda item: item[:2]):
        if keep is None or keep(topic, at):
            message = made(at + (shift(topic, at) if shift else 0.0))
            writer.write(topic, stamp_ns(at) + LATE_NS, TYPES.serialize_cdr(message, kind))
    writer.close()
    beside = {'task': task.model_dump(mode='json'), 'robot': robot.model_dump(mode='json')}
    episode.save(episode.Episode(started_ns=START_NS, **beside | known), folder)
    return folder


def _said(task, seconds, modes):
    """(when, topic, type, stamp -> message) of everything that is said in an episode."""
    for at, mode in modes:
        yield at, MODE, TEXT, lambda _, mode=mode: text(mode)
    for i in range(round(60 * seconds)):
        at = 0.003 + i / 60
        yield at, TCP_POSE, POSE, lambda stamp, at=at: pose(stamp, tip(at))
        if task.action.space == 'cartesian':
            yield at, COMMAND, POSE, lambda stamp, at=at: pose(stamp, commanded(at))
        else:
            yield at, COMMAND, JOINTS, lambda stamp, at=at: joints(stamp, commanded(at))
    for camera in task.cameras:
        for i in range(round(30 * seconds)):
            yield (
                0.002 + i / 30,
                camera.topic,
                RAW_IMAGE,
                lambda stamp, camera=camera, i=i: image(stamp, frame(camera, i)),
            )


def stamp_ns(seconds):
    """Seconds after the start -> ROS time [ns]."""
    return START_NS + round(seconds * 1e9)


def text(data):
    return TYPES.types[TEXT](data=data)


def pose(seconds, position):
    """PoseStamped at x, y, z = 0.005, not turned."""
    types, (x, y) = TYPES.types, position
    point = types['geometry_msgs/msg/Point'](x=x, y=y, z=0.005)
    rotation = types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0)
    held = types['geometry_msgs/msg/Pose'](position=point, orientation=rotation)
    return types[POSE](header=header(seconds), pose=held)


def joints(seconds, positions):
    """JointState of the joints wrist and elbow [rad]."""
    return TYPES.types[JOINTS](
        header=header(seconds),
        name=['wrist', 'elbow'],
        position=np.array(positions),
        velocity=np.zeros(0),
        effort=np.zeros(0),
    )


def image(seconds, pixels):
    """Image, rgb8."""
    height, width, _ = pixels.shape
    return TYPES.types[RAW_IMAGE](
        header=header(seconds),
        height=height,
        width=width,
        encoding='rgb8',
        is_bigendian=0,
        step=3 * width,
        data=pixels.ravel(),
    )


def header(seconds):
    sec, nanosec = divmod(stamp_ns(seconds), 1_000_000_000)
    stamp = TYPES.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
    return TYPES.types['std_msgs/msg/Header'](stamp=stamp, frame_id='base')
