"""Episodes of Push-T in the cell, filmed: what a policy from pixels learns from.

An image data set holds, beside what the task sees, what its frames can be rendered from again:

    full_state (N, 5)     tip x y, block x y yaw [m, rad]
    qpos       (N, 13)    arm and T, as sim/cell.py has them
    keypoint   (N, 8, 2)  corners of the T [m], base frame: labels for pretraining, never an input
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.util import Finalize
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dp_ros.data.replay_buffer import Episode
from dp_ros.sim import pusht
from dp_ros.sim.views import CellViews, qpos_of_state
from dp_ros.task import ImageStream

R = TypeVar('R')


@dataclass(frozen=True)
class Take:
    """What is to be filmed: full_state (L, 5), action (L, 2), qpos (L, 13); seed of the noise."""

    full_state: np.ndarray
    action: np.ndarray
    qpos: np.ndarray
    seed: int


def with_tool_down(full_state: np.ndarray, action: np.ndarray, seed: int) -> Take:
    """A take of which only the state is known: the tool points straight down at each step."""
    return Take(full_state, action, np.array([qpos_of_state(row) for row in full_state]), seed)


def film(views: CellViews, take: Take) -> Episode:
    """The episode as the cameras see it, with sensor noise."""
    noise = views.noise(take.seed)
    # As exact as they are stored, so that the same frames can be rendered again.
    qpos = take.qpos.astype(np.float32)
    frames = [views.of_qpos(row.astype(float), noise) for row in qpos]
    extra: dict[str, NDArray[Any]] = {
        camera.name: np.stack([f[camera.name] for f in frames]) for camera in views.cameras
    }
    extra['full_state'] = take.full_state.astype(np.float32)
    extra['qpos'] = qpos
    blocks = take.full_state[:, 2:].astype(float)
    extra['keypoint'] = np.array([pusht.block_outline(b) for b in blocks]).astype(np.float32)
    return Episode(take.full_state[:, :2].astype(np.float32), take.action, extra)


_views: CellViews | None = None


def _film_in_worker(cameras: tuple[ImageStream, ...], take: Take) -> Episode:
    global _views
    if _views is None:  # renderers are made once per process, and must go before its interpreter
        _views = CellViews(cameras)
        Finalize(None, _views.close, exitpriority=0)
    return film(_views, take)


def film_all(
    takes: Iterable[Take], cameras: tuple[ImageStream, ...], workers: int = 1
) -> Iterator[Episode]:
    """The takes, filmed, in order; with workers > 1 by processes, which gives the same."""
    if workers <= 1:
        with CellViews(cameras) as views:
            for take in takes:
                yield film(views, take)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context('spawn')) as pool:
        yield from _ahead(lambda take: pool.submit(_film_in_worker, cameras, take), takes, workers)


def _ahead(
    submit: Callable[[Take], 'Future[R]'], takes: Iterable[Take], workers: int
) -> Iterator[R]:
    """Results in order, with no more of them under way than keep the workers busy."""
    waiting: deque[Future[R]] = deque()
    for take in takes:
        waiting.append(submit(take))
        if len(waiting) > 2 * workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
