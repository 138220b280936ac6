"""Deeds that several rows share; each is done at a moment when the arm moves."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import Joy
from std_srvs.srv import SetBool

from dp_ros.core.stamped import ActionChunk
from dp_ros.data.bag import open_bag
from dp_ros.data.bag_repair import needs_repair, repair
from dp_ros.nodes import convert, topics
from dp_ros.nodes.recorder import STOP_SERVICE
from tests.faults.bench import Bench, BenchError
from tests.faults.row import Deed

CHUNK = 8
STEP_NS = 100_000_000


def kill(name: str) -> Deed:
    """SIGKILL of a process."""
    return lambda bench: bench.kill(name)


def freeze(name: str, seconds: float) -> Deed:
    """SIGSTOP of a process, and SIGCONT after so long."""

    def deed(bench: Bench) -> None:
        bench.freeze(name)
        threading.Timer(seconds, lambda: bench.thaw(name)).start()

    return deed


def event(name: str) -> Deed:
    """Something happens to the simulated controller."""
    return lambda bench: bench.sim_event(name)


def take_over(bench: Bench) -> None:
    """An operator moves the arm to and fro through the teleoperation, until it is given back."""
    done = threading.Event()
    begun = time.monotonic()

    def say() -> None:
        # The deadman is seen released before it is pressed.
        while not done.wait(0.02):
            spent = time.monotonic() - begun
            share = 0.4 * np.sin(4.0 * spent)
            joy = Joy(axes=[0.0, share, 0.0, 0.0, 0.0, 0.0], buttons=[int(spent > 0.5)])
            joy.header.stamp = convert.time_message(time.time_ns())
            bench.witness.joy_out.publish(joy)

    thread = threading.Thread(target=say)
    thread.start()

    def end() -> None:
        done.set()
        thread.join()

    bench.extra['give back'] = end
    try:
        bench.witness.wait_for(
            lambda: bench.witness.mode == 'teleoperated', 5.0, 'the operator has the arm'
        )
    except AssertionError:
        end()
        raise


def give_back(bench: Bench) -> None:
    """The operator's device falls silent."""
    bench.extra['give back']()


def record(bench: Bench) -> None:
    """An episode begins."""
    done, text = bench.witness.record()
    if not done:
        raise BenchError(f'not recorded: {text}')
    bench.extra['episode'] = Path(text)
    time.sleep(0.5)


def record_on_small_disk(bench: Bench) -> None:
    """The same, where a disk can be filled without harm."""
    if not bench.extra['small disk']:
        pytest.skip('mounting a file system is not permitted')
    record(bench)


def fill_disk(bench: Bench) -> None:
    """Somebody else takes all that is left where recordings lie."""
    with (bench.extra['episode'].parent / 'filler').open('wb') as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))


def whole_episode(bench: Bench) -> None:
    """Room again; the episode is on the disk, repaired if need be, and holds what was said."""
    folder = bench.extra['episode']
    (folder.parent / 'filler').unlink(missing_ok=True)
    stop = SetBool.Request(data=False)
    bench.witness.ask(SetBool, STOP_SERVICE, stop)
    if needs_repair(folder):
        repair(folder)
    with open_bag(folder) as bag:
        if not bag.counts[topics.TCP_POSE.name]:
            raise AssertionError(f'{folder} holds no pose of the tip')


def repaired_episode(bench: Bench) -> None:
    """The same, of a recorder that was killed."""
    bench.restart('recorder')
    whole_episode(bench)


def camera(fault: str, name: str = 'overhead', seconds: float = 0.0) -> Deed:
    """Frames go wrong as tests/faults/camera.py says; for so long, or until they are healed."""

    def deed(bench: Bench) -> None:
        bench.set_parameter(name, 'fault', fault)
        if seconds:
            time.sleep(seconds)
            bench.set_parameter(name, 'fault', '')

    return deed


def link(*orders: str, apart_s: float = 0.0) -> Deed:
    """Orders to the switch before the controller, one after the other."""

    def deed(bench: Bench) -> None:
        for i, order in enumerate(orders):
            time.sleep(apart_s if i else 0.0)
            bench.extra['proxy'](order)

    return deed


def clock(order: str) -> Deed:
    """An order to whoever says what time it is."""
    return lambda bench: bench.extra['clock'](order)


def stranger(change: Callable[[object, np.ndarray], None], times: int = 1) -> Deed:
    """Somebody else says a chunk: poses where the arm is, changed by `change`."""

    def deed(bench: Bench) -> None:
        for _ in range(times):
            pose = bench.witness.sent[-1].pose
            start = time.time_ns() + 2 * STEP_NS
            stamps = tuple(start + i * STEP_NS for i in range(CHUNK))
            chunk = ActionChunk(stamps, np.repeat(pose[None], CHUNK, axis=0))
            message = convert.cartesian_chunk_message(chunk)
            change(message, pose)
            bench.witness.chunk_out.publish(message)
            time.sleep(0.002 if times > 1 else 0.0)

    return deed


def moved(message: object, metres: float) -> None:
    """All waypoints so far off along y."""
    for point in message.points:
        point.transforms[0].translation.y += metres


def delayed(message: object, seconds: float) -> None:
    """The splice so much later."""
    stamp = message.header.stamp
    ns = stamp.sec * 10**9 + stamp.nanosec + round(seconds * 1e9)
    message.header.stamp = convert.time_message(ns)


def nan_in(message: object) -> None:
    """One number of one waypoint is none."""
    message.points[3].transforms[0].translation.x = float('nan')


def nan_block(bench: Bench) -> None:
    """Somebody says poses of the T that hold NaN, thirty times within half a second."""
    for _ in range(30):
        pose = np.array([float('nan'), 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
        bench.witness.block_out.publish(convert.pose_message(time.time_ns(), pose))
        time.sleep(0.015)
