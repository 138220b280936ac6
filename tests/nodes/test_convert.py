"""Messages to core values and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import JointState

from dp_ros.core.stamped import ActionChunk
from dp_ros.data import messages
from dp_ros.nodes import convert

NAMES = ['shoulder', 'elbow', 'wrist']
stamps = st.integers(min_value=0, max_value=2**31 * 10**9 - 1)
coordinate = st.floats(min_value=-10, max_value=10, allow_nan=False)


def unit_pose(position, quaternion):
    quaternion = np.array(quaternion)
    return np.array([*position, *quaternion / np.linalg.norm(quaternion)])


poses = st.builds(
    unit_pose,
    st.tuples(coordinate, coordinate, coordinate),
    st.tuples(*[st.floats(min_value=0.1, max_value=1)] * 4),
)


@given(stamps)
def test_stamps_survive(stamp):
    assert messages.nanoseconds(convert.time_message(stamp)) == stamp


@given(stamps, poses)
def test_poses_survive(stamp, pose):
    sample = messages.pose_sample(convert.pose_message(stamp, pose))
    assert sample.stamp_ns == stamp
    np.testing.assert_array_equal(sample.value, pose)


def test_latency_moves_a_sample_to_its_capture():
    message = convert.pose_message(5_000_000_000, np.array([0, 0, 0, 0, 0, 0, 1.0]))
    assert messages.pose_sample(message, latency_ns=30_000_000).stamp_ns == 4_970_000_000


@settings(max_examples=30)
@given(
    st.integers(min_value=10**9, max_value=10**18),
    st.lists(st.integers(min_value=1, max_value=10**9), min_size=1, max_size=16),
    poses,
)
def test_cartesian_chunks_survive(start, gaps, pose):
    times = tuple((start + np.cumsum(gaps)).tolist())
    chunk = ActionChunk(times, np.repeat(pose[None], len(times), axis=0))
    back = messages.cartesian_chunk(convert.cartesian_chunk_message(chunk))
    assert back.stamps_ns == chunk.stamps_ns
    np.testing.assert_array_equal(back.waypoints, chunk.waypoints)


def test_joints_are_taken_by_name():
    message = JointState(name=['wrist', 'elbow', 'shoulder'], position=[3.0, 2.0, 1.0])
    assert messages.joint_sample(message, NAMES).value.tolist() == [1.0, 2.0, 3.0]
    chunk = ActionChunk((10**9, 2 * 10**9), np.array([[1.0, 2, 3], [4, 5, 6]]))
    shuffled = convert.joint_chunk_message(chunk, NAMES)
    shuffled.joint_names = ['wrist', 'shoulder', 'elbow']
    for point in shuffled.points:
        one, two, three = point.positions
        point.positions = [three, one, two]
    np.testing.assert_array_equal(messages.joint_chunk(shuffled, NAMES).waypoints, chunk.waypoints)


@pytest.mark.parametrize(
    ('names', 'positions', 'sentence'),
    [
        (['shoulder', 'elbow'], [1.0, 2.0], 'lacks'),
        (NAMES, [1.0, float('nan'), 2.0], 'NaN'),
    ],
)
def test_bad_joint_states_are_named(names, positions, sentence):
    with pytest.raises(messages.MessageError, match=sentence):
        messages.joint_sample(JointState(name=names, position=positions), NAMES)


def test_wrong_joints_in_a_chunk_are_named():
    chunk = ActionChunk((10**9,), np.array([[1.0, 2, 3]]))
    message = convert.joint_chunk_message(chunk, ['a', 'b', 'c'])
    with pytest.raises(messages.MessageError, match='shoulder'):
        messages.joint_chunk(message, NAMES)


def test_a_quaternion_that_is_no_rotation_is_refused():
    message = convert.pose_message(0, np.array([0, 0, 0, 0, 0, 0, 0.5]))
    with pytest.raises(messages.MessageError, match='length'):
        messages.pose_sample(message)


def test_an_empty_chunk_is_refused():
    chunk = ActionChunk((10**9,), np.array([[0, 0, 0, 0, 0, 0, 1.0]]))
    message = convert.cartesian_chunk_message(chunk)
    message.points = []
    with pytest.raises(messages.MessageError, match='at least one point'):
        messages.cartesian_chunk(message)
