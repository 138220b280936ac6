"""Which headless environment a task is evaluated in: one line each."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from dp_ros.sim.arcs import Arcs
from dp_ros.sim.carry import Carry
from dp_ros.sim.reach import Reach
from dp_ros.task import Task

Make = Callable[[], Any]
"""Makes one more environment of a task."""


def headless() -> None:
    """Let MuJoCo draw without a screen, and on this process's own cores; before it is imported."""
    os.environ.setdefault('MUJOCO_GL', 'osmesa')
    # Threads of its own cost llvmpipe more than they gain, for frames this small.
    os.environ.setdefault('LP_NUM_THREADS', '0')


def _cell(_: Task) -> AbstractContextManager[Make]:
    # MuJoCo is not needed for the other tasks.
    from dp_ros.sim.environment import PushTCell

    return nullcontext(PushTCell)


@contextmanager
def _cell_image(task: Task) -> Iterator[Make]:
    headless()
    from dp_ros.sim.seen_cell import SeenCell
    from dp_ros.sim.views import CellViews

    # All episodes are seen through one renderer for each camera.
    with CellViews(task.cameras) as views:
        yield lambda: SeenCell(views)


def _gym(_: Task) -> AbstractContextManager[Make]:
    from dp_ros.sim.gym_pusht import GymPushT

    return nullcontext(GymPushT)


def _arcs(_: Task) -> AbstractContextManager[Make]:
    return nullcontext(Arcs)


def _reach(_: Task) -> AbstractContextManager[Make]:
    return nullcontext(Reach)


def _carry(_: Task) -> AbstractContextManager[Make]:
    return nullcontext(Carry)


ENVIRONMENTS: dict[str, Callable[[Task], AbstractContextManager[Make]]] = {
    'pusht_cell': _cell,
    'pusht_cell_image': _cell_image,
    'pusht_gym': _gym,
    'pusht_gym_single': _gym,
    'two_arcs': _arcs,
    'two_arms_carry': _carry,
    'ur5e_reach': _reach,
}


def environments_of(task: Task) -> AbstractContextManager[Make]:
    """Opens what the environments of `task` share; ValueError if there is none.

    The environments made are to be used while it is open, in one thread.
    """
    try:
        return ENVIRONMENTS[task.name](task)
    except KeyError:
        raise ValueError(
            f'no headless environment for task {task.name!r}; there is one for '
            f'{", ".join(sorted(ENVIRONMENTS))}'
        ) from None
