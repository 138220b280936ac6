"""The whole graph with cameras, in real processes: what they send, and what their loss does."""

import os
import signal
import time
from pathlib import Path

import pytest

from dp_ros import bringup
from dp_ros.data import messages
from dp_ros.nodes import topics
from dp_ros.paths import share
from dp_ros.ros_process import Process
from dp_ros.running import running
from tests.loopback import free_address
from tests.system import untrained
from tests.system.observer import graph_of

pytestmark = pytest.mark.timeout(180)
START_S = 60.0
MEASURED_S = 6.0
TICKS_HZ = os.sysconf('SC_CLK_TCK')
CAMERAS = ('overhead', 'wrist')
ROBOT = share('config', 'robots', 'ur5e_sim.yaml')


class Films:
    """Counts what each camera sends; the newest messages are kept."""

    def __init__(self, observer):
        self.frames = {name: [] for name in CAMERAS}
        self.newest, self.infos = {}, {}
        for name in CAMERAS:
            image, info = topics.color_image(name, False), topics.camera_info(name)
            observer.create_subscription(image.type, image.name, self._on_frame(name), image.qos)
            observer.create_subscription(info.type, info.name, self._on_info(name), info.qos)

    def _on_frame(self, name):
        def keep(message):
            self.frames[name].append(messages.nanoseconds(message.header.stamp))
            self.newest[name] = message

        return keep

    def _on_info(self, name):
        def keep(message):
            self.infos[name] = message

        return keep


@pytest.fixture(scope='module')
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp('checkpoint') / 'untrained'
    untrained.save(folder)
    return bringup.trained(folder)


def start(observer):
    """Arm as soon as the policy is warm and sees everything."""
    said = observer.statuses
    observer.wait_for(lambda: said.get('inference') == 'warm', START_S, 'the policy is warm')
    observer.wait_for(
        lambda: said.get('observation') == 'all streams arrive', START_S, 'the policy sees'
    )
    observer.wait_for(lambda: observer.mode is not None, START_S, 'the executor is active')
    arm(observer)


def arm(observer):
    answer = observer.arm()
    assert answer.success, answer.message
    observer.statuses.pop('executor/chunk', None)
    observer.wait_for(
        lambda: observer.statuses.get('executor/chunk') == 'accepted', 10, 'a chunk is accepted'
    )


def cpu_s(process):
    """User and system time of a process so far [s]."""
    fields = Path(f'/proc/{process.pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ


def machine_cpu_s():
    """What all processes of the machine together have used of its cores so far [s]."""
    user, nice, system, *_ = map(int, Path('/proc/stat').read_text().split()[1:8])
    return (user + nice + system) / TICKS_HZ


def test_both_cameras_keep_their_rate_while_the_arm_moves(domain, tmp_path, policy):
    cell = bringup.simulated_cell(policy, address=free_address())
    with graph_of(cell, domain, tmp_path) as (graph, observer):
        films = Films(observer)
        start(observer)
        machine_s = machine_cpu_s()
        spent_s = {name: cpu_s(process) for name, process in graph.processes.items()}
        begun_ns = time.time_ns()
        time.sleep(MEASURED_S)
        ended_ns = time.time_ns()
        load = {
            name: (cpu_s(process) - spent_s[name]) / MEASURED_S
            for name, process in graph.processes.items()
        }
        busy = (machine_cpu_s() - machine_s) / MEASURED_S
        time.sleep(0.5)  # the last frames are on their way
        factor = float(observer.values['sim']['real_time_factor'])
        hertz = float(observer.values['executor']['rate_hz'])
        assert observer.mode == 'policy', observer.statuses
    rates = {
        name: sum(begun_ns < stamp <= ended_ns for stamp in stamps) * 1e9 / (ended_ns - begun_ns)
        for name, stamps in films.frames.items()
    }
    figures = f'cores {load}, rates {rates}, real time {factor}, executor {hertz} Hz, {busy=}'
    print(figures)
    # One in a hundred is lost, or one in five where others use the machine as well.
    assert 22 <= min(rates.values()) <= max(rates.values()) <= 31, figures
    # Two cores can do all this, and in real time, if others leave them to us.
    assert sum(load.values()) < 1.6, figures
    if busy - sum(load.values()) < 0.3:
        assert factor >= 0.95, figures
    for name in CAMERAS:
        frame, info = films.newest[name], films.infos[name]
        assert (frame.width, frame.height, frame.encoding) == (320, 240, 'rgb8')
        assert frame.header.frame_id == f'{name}_color_optical_frame'
        assert (info.width, info.height) == (320, 240)
        assert info.header.frame_id == frame.header.frame_id
        assert info.k[0] > 100
        assert len(set(films.frames[name])) == len(films.frames[name])


def test_a_camera_that_dies_holds_the_arm_until_it_is_back_and_armed(domain, tmp_path, policy):
    address = free_address()
    cell = bringup.simulated_cell(policy, address=address)
    with graph_of(cell, domain, tmp_path) as (graph, observer):
        start(observer)
        time.sleep(1.0)
        overhead = graph.processes['overhead']
        os.kill(overhead.pid, signal.SIGKILL)
        overhead.wait()
        said = observer.statuses
        observer.wait_for(lambda: observer.mode == 'holding', 5, 'the arm holds')
        stale = 'overhead: the newest sample is too old'
        observer.wait_for(lambda: stale in said['observation'], 2, 'the camera is named')

        again = running([bringup.camera('overhead', ROBOT, address)], tmp_path / 'again', domain)
        with again:
            observer.wait_for(
                lambda: said['observation'] == 'all streams arrive', START_S, 'frames return'
            )
            time.sleep(0.5)
            assert observer.mode == 'holding'  # nothing moves before the re-arm
            arm(observer)
            time.sleep(1.0)
            assert observer.mode == 'policy'


def test_cameras_tell_of_a_cell_that_is_gone_and_find_it_again(domain, tmp_path):
    address = free_address()
    sim = Process('sim', {'address': address})
    cameras = [bringup.camera(name, ROBOT, address) for name in CAMERAS]
    with graph_of([sim, *cameras], domain, tmp_path) as (graph, observer):
        said = observer.statuses

        def all_say(words):
            return all(words in said.get(f'camera/{name}', '') for name in CAMERAS)

        observer.wait_for(lambda: all_say('frames come'), START_S, 'the cameras stream')
        graph.processes['sim'].kill()
        graph.processes['sim'].wait()
        observer.wait_for(lambda: all_say(f'does not answer at {address}'), 5, 'the loss is told')
        assert all(graph.processes[name].poll() is None for name in CAMERAS)
        with running([sim], tmp_path / 'again', domain):
            observer.wait_for(lambda: all_say('frames come'), START_S, 'frames return')
            for name in CAMERAS:
                # A cell that starts on a busy machine may pause once more.
                assert int(observer.values[f'camera/{name}']['reconnects']) >= 1
