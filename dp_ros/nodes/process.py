"""How a node process starts, spins and ends: once, for all of them."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from dp_ros.nodes import heartbeat
from dp_ros.ros_process import OWNER

NodeT = TypeVar('NodeT', bound=Node)

RETRY_S = 1.0
NICENESS = -5
# A thread that computes in many small steps (denoising, control) asks for the interpreter after
# each; CPython's default lets it wait 5 ms for a busy neighbour every time.
SWITCH_INTERVAL_S = 0.0005


def spin(make: Callable[[], Sequence[Node]]) -> None:
    """Run the nodes that `make` builds in one process until SIGINT, then close them in order.

    Each node shows that it lives (heartbeat.py). A lifecycle node whose parameter `autostart` is
    true is configured and activated. Where that fails it stays unconfigured, says why, and is
    tried again each second, for a robot may be switched on later; the others wait for a manager.
    A node that sets `hopeless` to a sentence ends the process with it, and with EX_CONFIG: to
    start it again would change nothing.
    A process that a graph started (running.py) ends with it, however that ended.
    A node's `close()`, if it has one, is called before the node is destroyed.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _raise_priority()
    rclpy.init()
    executor = SingleThreadedExecutor()
    nodes: list[Node] = []
    try:
        with _settings():
            nodes += make()
        for node in nodes:
            executor.add_node(node)
            heartbeat.beat(node)
        waiting = [
            node
            for node in nodes
            if isinstance(node, LifecycleNode) and node.get_parameter('autostart').value
        ]
        while waiting:
            with _settings():
                waiting = [node for node in waiting if not _started(node)]
            retry_at = time.monotonic() + RETRY_S
            while waiting and time.monotonic() < retry_at:
                executor.spin_once(timeout_sec=0.1)
                _require_owner()
        while rclpy.ok():
            executor.spin_once()
            _require_hope(nodes)
            _require_owner()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except _HopelessError as error:
        # A sentence for the person, not a traceback; everything else is a fault of the program.
        print(f'dp_ros: {error}', file=sys.stderr, flush=True)
        raise SystemExit(os.EX_CONFIG) from None
    finally:
        # A second Ctrl-C must not tear the clean-up apart.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for node in nodes:
            close = getattr(node, 'close', None)
            if close is not None:
                close()
        executor.shutdown(timeout_sec=1.0)
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


def foreground(
    make: Callable[[], NodeT],
    run: Callable[[NodeT], None],
    failures: tuple[type[Exception], ...],
) -> None:
    """Make a node, spin it in a thread, and `run` beside it: where a person waits for the end.

    One of `failures` ends the process with 1 and its sentence.
    """
    rclpy.init()
    error, name = '', Path(sys.argv[0]).stem
    executor = SingleThreadedExecutor()
    ending = threading.Event()
    spinning = threading.Thread(target=_spin, args=(executor, ending), name='spin')
    try:
        node = make()
        name = node.get_name()
        executor.add_node(node)
        spinning.start()
        run(node)
    except failures as failure:
        error = str(failure)
    except KeyboardInterrupt:
        error = 'interrupted'
    finally:
        # A second Ctrl-C must not tear the clean-up apart.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ending.set()
        executor.shutdown(timeout_sec=1.0)
        rclpy.try_shutdown()
        if spinning.is_alive():
            spinning.join()
    if error:
        print(f'{name}: {error}', file=sys.stderr, flush=True)
        raise SystemExit(1)


@contextlib.contextmanager
def connected(make: Callable[[], NodeT], domain: int) -> Iterator[NodeT]:
    """A node that spins in a thread of its own, in this ROS domain; signals stay with the caller.

    For a program that is no node itself and waits for a person.
    """
    rclpy.init(domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    ending = threading.Event()
    spinning = threading.Thread(target=_spin, args=(executor, ending), name='spin')
    try:
        node = make()
        executor.add_node(node)
        spinning.start()
        yield node
    finally:
        ending.set()
        executor.shutdown(timeout_sec=1.0)
        rclpy.try_shutdown()
        if spinning.is_alive():
            spinning.join()


def _spin(executor: SingleThreadedExecutor, ending: threading.Event) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    except RuntimeError:
        # What it waited for was destroyed under it, as at every end.
        if not ending.is_set():
            raise


def _started(node: LifecycleNode) -> bool:
    """Try to configure and activate; True when there is nothing left to try."""
    if node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
        node.trigger_activate()
        return True
    _require_hope([node])
    return False


class _HopelessError(Exception):
    """What a person must mend before the process can run."""


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """While settings are read and parts are looked for: what is raised then is a person's."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        raise _HopelessError(error) from None


def _require_hope(nodes: Sequence[Node]) -> None:
    """Raise where a node says that it can never be configured."""
    for node in nodes:
        hopeless = getattr(node, 'hopeless', '')
        if hopeless:
            raise _HopelessError(hopeless)


def _require_owner() -> None:
    """Raise KeyboardInterrupt once the program that started this graph is gone."""
    owner = os.environ.get(OWNER)
    if owner is not None and os.getppid() != int(owner):
        print('dp_ros: the program that started this process is gone', file=sys.stderr, flush=True)
        raise KeyboardInterrupt


def _raise_priority() -> None:
    """Ask to be scheduled before ordinary programs; without the right to, go on as one."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
