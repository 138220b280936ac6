"""The recorder as a process: what was said in an episode stands in its bag, raw."""

import time

import pytest
import yaml
from sensor_msgs.msg import Joy
from std_msgs.msg import String
from std_srvs.srv import Trigger

from dp_ros.data import episode as episodes
from dp_ros.data.bag import open_bag
from dp_ros.data.bag_repair import needs_repair
from dp_ros.data.messages import nanoseconds
from dp_ros.nodes import recorder, topics
from dp_ros.nodes.health import Health
from tests.system.recording import POSE, publisher, recording, say, start, stop

pytestmark = pytest.mark.timeout(120)


def test_an_episode_holds_what_was_said_and_how_it_ended(domain, tmp_path):
    with recording(domain, tmp_path, revision='12345678') as (observer, root):
        nothing = stop(observer)
        assert (nothing.success, nothing.message) == (False, 'no episode is being recorded')
        health = Health(observer)
        with publisher(observer, topics.MODE) as mode, publisher(observer, topics.TCP_POSE):
            for said in ('holding', 'teleoperated'):
                mode.publish(String(data=said))
            health.report('inference', b'\0', 'warm', {'identity': 'abc123'})
            time.sleep(0.3)
            answer = start(observer)
            assert answer.success, answer.message
            assert answer.message == str(root / 'episode_0001')
            assert not start(observer).success
            mode.publish(String(data='policy'))
            with publisher(observer, topics.JOY) as joy:
                joy.publish(Joy(axes=[0.5]))
            stamps = say(observer, 50)
        answer = stop(observer)
        assert answer.success, answer.message
        assert 'success, ' in answer.message
    folder = root / 'episode_0001'
    with open_bag(folder) as bag:
        assert bag.topics[topics.TCP_POSE.name] == 'geometry_msgs/msg/PoseStamped'
        found = list(bag.messages())
        poses = [m.message() for m in found if m.topic == topics.TCP_POSE.name]
        modes = [m for m in found if m.topic == topics.MODE.name]
        assert bag.counts[topics.JOY.name] == 1
        assert topics.TELEOP_TWIST.name not in bag.topics
    assert [nanoseconds(p.header.stamp) for p in poses] == stamps
    assert poses[0].pose.position.x == POSE[0]
    told = episodes.load(folder)
    # What held before the episode stands at its beginning, before anything else.
    assert found[0] == modes[0]
    assert found[0].received_ns == told.started_ns
    assert [m.message().data for m in modes] == ['teleoperated', 'policy']
    assert (told.outcome, told.operator, told.dropped) == ('success', '007', {})
    assert (told.missed, told.note) == ({}, '')
    assert (told.checkpoint, told.revision) == ('abc123', '12345678')
    assert told.counts[topics.TCP_POSE.name] == 50
    assert told.gaps[topics.TCP_POSE.name].largest_s < 2
    assert told.task['name'] == 'pusht_cell'
    metadata = yaml.safe_load((folder / 'metadata.yaml').read_text())
    about = {
        row['topic_metadata']['name']: row['topic_metadata']
        for row in metadata['rosbag2_bagfile_information']['topics_with_message_count']
    }
    (offered,) = about[topics.TCP_POSE.name]['offered_qos_profiles']
    assert (offered['reliability'], offered['deadline']['sec']) == ('best_effort', 9223372036)
    (latched,) = about[topics.MODE.name]['offered_qos_profiles']
    assert latched['durability'] == 'transient_local'


def test_a_discarded_episode_is_moved_aside_and_its_number_not_used_again(domain, tmp_path):
    with recording(domain, tmp_path) as (observer, root):
        assert start(observer).success
        stamps = say(observer, 5)
        answer = observer.ask(Trigger, recorder.DISCARD_SERVICE, Trigger.Request())
        assert answer.success
        assert answer.message.startswith('episode_0001 moved to ')
        with open_bag(root / 'trash' / 'episode_0001') as bag:
            assert bag.counts[topics.TCP_POSE.name] == len(stamps)
        again = observer.ask(Trigger, recorder.DISCARD_SERVICE, Trigger.Request())
        assert (again.success, again.message) == (False, 'there is no episode to discard')
        answer = start(observer)
        assert answer.message.endswith('episode_0002')
    # The recorder was stopped while it ran.
    told = episodes.load(root / 'episode_0002')
    assert (told.outcome, told.note) == ('unknown', 'the recorder was stopped')
    assert not needs_repair(root / 'episode_0002')


def test_no_episode_begins_while_a_stream_of_the_task_is_silent(domain, tmp_path):
    with recording(domain, tmp_path, partial=False) as (observer, root):
        answer = start(observer)
        assert not answer.success
        assert 'nothing is heard on /tcp_pose, /block_pose' in answer.message
        assert not list(root.glob('episode_*'))
