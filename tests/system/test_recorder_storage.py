"""The recorder as a process: how frames are stored, and what a disk does to it."""

import os
import subprocess
import time

import pytest
from sensor_msgs.msg import Image

from dp_ros import bringup
from dp_ros.data import episode as episodes
from dp_ros.data.bag import open_bag
from dp_ros.data.bag_repair import needs_repair
from dp_ros.data.messages import nanoseconds
from dp_ros.nodes import convert, topics
from dp_ros.paths import share
from dp_ros.running import running
from tests.data.image_messages import moving
from tests.system.recording import publisher, recording, start, stop

pytestmark = pytest.mark.timeout(120)


def picture(rgb, stamp_ns):
    """sensor_msgs/Image of 320 x 240 pixels."""
    message = Image(height=240, width=320, encoding='rgb8', step=960)
    message.header.stamp = convert.time_message(stamp_ns)
    message.data.frombytes(rgb.tobytes())
    return message


@pytest.mark.parametrize('frames', ['jpeg', 'h264'])
def test_frames_are_stored_as_asked_and_found_as_the_robot_says(domain, tmp_path, frames):
    topic = topics.color_image('overhead', jpeg=False)
    pictures = list(moving(10, 320, 240))
    with recording(domain, tmp_path, 'pusht_cell_image', frames=frames) as (observer, root):
        assert start(observer).success
        with publisher(observer, topic) as out:
            for i, rgb in enumerate(pictures):
                out.publish(picture(rgb, 1_000 + i))
                time.sleep(0.03)
        assert stop(observer, False).success
    folder = root / 'episode_0001'
    told = episodes.load(folder)
    assert (told.frames, told.outcome) == (frames, 'failure')
    _, robot = episodes.settings(folder)
    assert robot.cameras['overhead'].jpeg == (frames == 'jpeg')
    wanted = topics.color_image('overhead', robot.cameras['overhead'].jpeg)
    with open_bag(folder) as bag:
        assert bag.topics[wanted.name] == topics.type_name(wanted.type)
        messages = [m.message() for m in bag.messages({wanted.name})]
    assert [nanoseconds(m.header.stamp) for m in messages] == [1_000 + i for i in range(10)]
    assert told.counts[wanted.name] == 10


def test_no_episode_begins_on_a_disk_that_is_nearly_full(domain, tmp_path):
    with recording(domain, tmp_path, least_free_mb=10**9) as (observer, root):
        answer = start(observer)
        assert not answer.success
        assert 'MB are left' in answer.message
        assert 'least_free_mb' in answer.message
    assert list(root.iterdir()) == []


def test_an_episode_ends_before_the_disk_is_full_and_the_recorder_says_so(domain, tmp_path):
    with recording(domain, tmp_path, reserve_mb=10**9) as (observer, root):
        assert start(observer).success
        observer.wait_for(
            lambda: 'was closed' in observer.statuses['recorder'], 10, 'the recorder has stopped'
        )
        assert not stop(observer).success
    told = episodes.load(root / 'episode_0001')
    assert told.outcome == 'unknown'
    assert 'MB were left on the disk' in told.note
    assert not needs_repair(root / 'episode_0001')
    assert 'MB were left on the disk' in (tmp_path / 'logs' / 'recorder.log').read_text()


def test_a_wrong_way_to_store_frames_is_a_sentence(domain, tmp_path):
    files = (
        share('config', 'tasks', 'pusht_cell.yaml'),
        share('config', 'robots', 'ur5e_sim.yaml'),
    )
    graph = bringup.record(*files, tmp_path, frames='gif')
    with running(graph, tmp_path / 'logs', domain) as started:
        assert started.processes['recorder'].wait(30) == os.EX_CONFIG
    assert "expected raw, jpeg or h264, found 'gif'" in (
        tmp_path / 'logs' / 'recorder.log'
    ).read_text(encoding='utf-8')


def test_a_disk_that_is_full_ends_the_episode_whole_and_is_told(domain, tmp_path):
    root = tmp_path / 'aufnahmen ü'
    root.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=12m', 'none', str(root)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip('mounting a file system is not permitted')
    (rgb,) = moving(1, 320, 240)
    limits = {'least_free_mb': 1, 'reserve_mb': 0}
    try:
        with (
            recording(domain, tmp_path, 'pusht_cell_image', **limits) as (observer, _),
            publisher(observer, topics.color_image('wrist', jpeg=False)) as out,
        ):
            assert start(observer).success
            for i in range(60):
                out.publish(picture(rgb, i))
                time.sleep(0.01)
            observer.wait_for(
                lambda: 'No space left' in observer.statuses['recorder'], 10, 'it says so'
            )
        told = episodes.load(root / 'episode_0001')
        assert 'No space left' in told.note
        with open_bag(root / 'episode_0001') as bag:
            frames = list(bag.messages({'/wrist/color/image_raw'}))
        assert 20 < len(frames) == told.counts['/wrist/color/image_raw'] < 60
        assert told.dropped['/wrist/color/image_raw'] > 0
    finally:
        subprocess.run(['umount', str(root)], check=True)
