"""Many independent tasks, each a call of one function, on the processes of a machine or on Ray.

A pool is a function that is given the function and the tasks, and yields (index of the task, its
result) as tasks finish. What a task raises is raised there, and ends the pool.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any, Protocol, TypeVar

T = TypeVar('T')
R = TypeVar('R')

LOCAL = 'local'
"""Address of a Ray that is started for the tasks, on this machine, and ended with them."""
# Who leads a cluster answers within this time.
ANSWER_S = 5.0


class PoolError(RuntimeError):
    """The tasks could not be done, by no fault of theirs; the text says what to do."""


class Pool(Protocol):
    """Does many tasks at once."""

    def __call__(
        self, function: Callable[[T], R], tasks: Sequence[T]
    ) -> Iterator[tuple[int, R]]: ...


class Processes:
    """So many processes of this machine; one: this process itself."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def __call__(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yields (index, result); raises PoolError where a process dies."""
        if self._workers == 1 or len(tasks) == 1:
            yield from enumerate(map(function, tasks))
            return
        # Spawned, not forked: zarr runs threads of its own.
        pool = ProcessPoolExecutor(
            min(self._workers, len(tasks)), get_context('spawn'), initializer=_begin_worker
        )
        try:
            asked = {pool.submit(function, task): index for index, task in enumerate(tasks)}
            for done in as_completed(asked):
                yield asked[done], done.result()
        except BrokenProcessPool:
            raise PoolError(
                'a process ended without a word, as for want of memory; run it again with fewer '
                '--workers'
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


class Ray:
    """The processes of a Ray cluster: all of its machines find the same files at the same paths.

    address: as ray.init has it: LOCAL, 'auto' for the cluster that this machine is part of, or
    where another one answers. workers: processes of a LOCAL one. Raises ImportError without Ray.
    """

    def __init__(self, address: str, workers: int) -> None:
        self._ray = _import_ray()
        self._address, self._workers = address, workers

    def __call__(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yields (index, result); raises PoolError where there is no cluster, or it fails.

        A task whose machine dies is done again by Ray on another.
        """
        ray = self._ray
        try:
            self._join()
            remote = ray.remote(function)
            asked = {remote.remote(task): index for index, task in enumerate(tasks)}
            left = list(asked)
            while left:
                (done,), left = ray.wait(left)
                yield asked[done], ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise PoolError(
                f'Ray at {self._address!r} does not do it: {error}; see that the cluster is up '
                f'(ray status) and that dp_ros is installed on each of its machines'
            ) from None
        finally:
            ray.shutdown()

    def _join(self) -> None:
        host, _, port = self._address.rpartition(':')
        if host and '//' not in host:
            # Ray itself tries for minutes where nobody answers.
            try:
                socket.create_connection((host, int(port)), ANSWER_S).close()
            except OSError as error:
                raise ConnectionError(str(error)) from None
        own: dict[str, Any] = {}
        if self._address == LOCAL:
            own = {'num_cpus': self._workers, 'include_dashboard': False}
        self._ray.init(address=self._address, logging_level='warning', **own)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ImportError(
            "--ray needs Ray, which is not installed: pip install 'dp_ros[ray]'"
        ) from None
    return ray


def _begin_worker() -> None:
    """Ctrl-C is the parent's affair; but where it was killed, nobody gives work any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name='parent', daemon=True).start()
