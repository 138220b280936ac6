"""Small bags, message by message, for tests of what is said of episodes."""

from dp_ros.data import episode
from dp_ros.data.bag_writer import TYPES, BagWriter
from dp_ros.data.stream_inputs import POSE, RAW_IMAGE
from dp_ros.data.topic_names import CHUNK, COMMAND, DIAGNOSTICS, MODE, TCP_POSE
from tests.data import drawn_bags
from tests.data.drawn_bags import START_NS, stamp_ns

TEXT = drawn_bags.TEXT
STATUS = 'diagnostic_msgs/msg/DiagnosticStatus'
ARRAY = 'diagnostic_msgs/msg/DiagnosticArray'
VALUE = 'diagnostic_msgs/msg/KeyValue'
TRAJECTORY = 'trajectory_msgs/msg/MultiDOFJointTrajectory'
LATE = 0.005
"""From a stamp to the arrival [s]."""


def poses(times, topic=TCP_POSE, position=drawn_bags.tip):
    """(arrival [s], topic, type, message) of poses stamped with `times`."""
    return [(t + LATE, topic, POSE, drawn_bags.pose(t, position(t))) for t in times]


def commands(times, position=drawn_bags.commanded):
    return poses(times, COMMAND, position)


def frames(camera, times, shown=lambda number: number):
    """Frame round(30 t) at t, or what is shown in its place."""
    return [
        (
            t + LATE,
            camera.topic,
            RAW_IMAGE,
            drawn_bags.image(t, drawn_bags.frame(camera, shown(round(30 * t)))),
        )
        for t in times
    ]


def mode(at, name):
    return (at, MODE, TEXT, drawn_bags.text(name))


def report(at, **values):
    """The executor's status."""
    types = TYPES.types
    pairs = [types[VALUE](key=key, value=str(value)) for key, value in values.items()]
    status = types[STATUS](
        level=0, name='executor', message='', hardware_id='dp_ros', values=pairs
    )
    return (at, DIAGNOSTICS, ARRAY, types[ARRAY](header=drawn_bags.header(at), status=[status]))


def chunk(at):
    """A chunk that takes over at `at`; its actions do not matter."""
    message = TYPES.types[TRAJECTORY](header=drawn_bags.header(at), joint_names=['tcp'], points=[])
    return (at - 0.05, CHUNK, TRAJECTORY, message)


def write(folder, task, robot, said, **known):
    """A bag of `said` by time of arrival, with episode.yaml; returns `folder`."""
    writer = BagWriter(folder)
    for topic, kind in {(topic, kind) for _, topic, kind, _ in said}:
        writer.add_topic(topic, kind)
    for at, topic, kind, message in sorted(said, key=lambda item: item[0]):
        writer.write(topic, stamp_ns(at), TYPES.serialize_cdr(message, kind))
    writer.close()
    beside = {'task': task.model_dump(mode='json'), 'robot': robot.model_dump(mode='json')}
    episode.save(episode.Episode(started_ns=START_NS, **beside | known), folder)
    return folder
