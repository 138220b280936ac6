"""The recorder as a process: what was said in an episode stands in its bag, raw."""

import time

import numpy as np
import pytest
from std_srvs.srv import SetBool, Trigger

from dp_ros import bringup
from dp_ros.data import episode as episodes
from dp_ros.data.bag import open_bag
from dp_ros.nodes import convert, recorder, topics
from dp_ros.paths import share
from tests.system.observer import observing

pytestmark = pytest.mark.timeout(120)
POSE = np.array([0.4, 0.1, 0.005, 1.0, 0.0, 0.0, 0.0])


@pytest.fixture
def recording(domain, tmp_path):
    parameters = {
        'task': share('config', 'tasks', 'pusht_cell.yaml'),
        'robot': share('config', 'robots', 'ur5e_sim.yaml'),
        'folder': tmp_path / 'aufnahmen ü',
        'operator': 'a test',
    }
    process = bringup.Process('recorder', parameters)
    with bringup.running([process], tmp_path / 'logs', domain), observing(domain) as observer:
        observer.wait_for(
            lambda: observer.statuses.get('recorder') == 'ready', 60, 'the recorder is ready'
        )
        yield observer, tmp_path / 'aufnahmen ü'


def say(observer, count):
    """Publish poses of the tip, and return their stamps."""
    out = topics.TCP_POSE.publisher(observer)
    deadline = time.monotonic() + 10
    while out.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # the recorder's side learns of it a little later
    stamps = [time.time_ns() + i for i in range(count)]
    for stamp in stamps:
        out.publish(convert.pose_message(stamp, POSE))
        time.sleep(0.01)
    time.sleep(0.3)
    observer.destroy_publisher(out)
    return stamps


def test_an_episode_holds_what_was_said_and_how_it_ended(recording):
    observer, root = recording
    answer = observer.ask(Trigger, recorder.START_SERVICE, Trigger.Request())
    assert answer.success, answer.message
    again = observer.ask(Trigger, recorder.START_SERVICE, Trigger.Request())
    assert not again.success
    assert 'recorded already' in again.message
    stamps = say(observer, 50)
    answer = observer.ask(SetBool, recorder.STOP_SERVICE, SetBool.Request(data=True))
    assert answer.success, answer.message
    folder = root / 'episode_0001'
    with open_bag(folder) as bag:
        assert bag.topics[topics.TCP_POSE.name] == 'geometry_msgs/msg/PoseStamped'
        poses = [m.message() for m in bag.messages({topics.TCP_POSE.name})]
    found = [p.header.stamp.sec * 1_000_000_000 + p.header.stamp.nanosec for p in poses]
    assert found == stamps
    assert poses[0].pose.position.x == POSE[0]
    told = episodes.load(folder)
    assert (told.outcome, told.operator, told.dropped) == ('success', 'a test', {})
    assert told.counts[topics.TCP_POSE.name] == 50
    assert told.task['name'] == 'pusht_cell'


def test_a_discarded_episode_is_moved_aside_and_its_number_not_used_again(recording):
    observer, root = recording
    nothing = observer.ask(SetBool, recorder.STOP_SERVICE, SetBool.Request(data=True))
    assert not nothing.success
    assert observer.ask(Trigger, recorder.START_SERVICE, Trigger.Request()).success
    stamps = say(observer, 5)
    assert observer.ask(Trigger, recorder.DISCARD_SERVICE, Trigger.Request()).success
    with open_bag(root / 'trash' / 'episode_0001') as bag:
        assert bag.counts[topics.TCP_POSE.name] == len(stamps)
    answer = observer.ask(Trigger, recorder.START_SERVICE, Trigger.Request())
    assert answer.message.endswith('episode_0002')
