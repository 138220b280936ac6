"""A recorder as a process, and what a test says to it."""

import contextlib
import time

import numpy as np
from std_srvs.srv import SetBool, Trigger

from dp_ros import bringup
from dp_ros.nodes import convert, recorder, topics
from dp_ros.paths import share
from dp_ros.running import running
from tests.system.observer import observing

POSE = np.array([0.4, 0.1, 0.005, 1.0, 0.0, 0.0, 0.0])


@contextlib.contextmanager
def recording(domain, tmp_path, task='pusht_cell', **settings):
    """An Observer beside a recorder that is ready, and the folder of its episodes."""
    root = tmp_path / 'aufnahmen ü'
    files = (share('config', 'tasks', f'{task}.yaml'), share('config', 'robots', 'ur5e_sim.yaml'))
    graph = bringup.record(*files, root, operator='007', **{'partial': True, **settings})
    with running(graph, tmp_path / 'logs', domain), observing(domain) as observer:
        observer.wait_for(
            lambda: observer.statuses.get('recorder') == 'ready', 60, 'the recorder is ready'
        )
        yield observer, root


def start(observer):
    return observer.ask(Trigger, recorder.START_SERVICE, Trigger.Request())


def stop(observer, success=True):
    return observer.ask(SetBool, recorder.STOP_SERVICE, SetBool.Request(data=success))


@contextlib.contextmanager
def publisher(observer, topic):
    """A publisher of `topic` that the recorder hears."""
    out = topic.publisher(observer)
    deadline = time.monotonic() + 10
    while out.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # the recorder's side learns of it a little later
    yield out
    time.sleep(0.3)
    observer.destroy_publisher(out)


def say(observer, count):
    """Publish poses of the tip, and return their stamps."""
    stamps = [time.time_ns() + i for i in range(count)]
    with publisher(observer, topics.TCP_POSE) as out:
        for stamp in stamps:
            out.publish(convert.pose_message(stamp, POSE))
            time.sleep(0.005)
    return stamps
