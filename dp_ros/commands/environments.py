"""Which headless environment a task is evaluated in: one line each."""

from collections.abc import Callable
from typing import Any

from dp_ros.sim.arcs import Arcs
from dp_ros.task import Task


def _cell() -> Any:
    # MuJoCo is not needed for the other tasks.
    from dp_ros.sim.environment import PushTCell

    return PushTCell()


def _gym() -> Any:
    from dp_ros.sim.gym_pusht import GymPushT

    return GymPushT()


ENVIRONMENTS: dict[str, Callable[[], Any]] = {
    'pusht_cell': _cell,
    'pusht_gym': _gym,
    'two_arcs': Arcs,
}


def environment_of(task: Task) -> Callable[[], Any]:
    """A function that makes the environment of `task`; ValueError if there is none."""
    try:
        return ENVIRONMENTS[task.name]
    except KeyError:
        raise ValueError(
            f'no headless environment for task {task.name!r}; there is one for '
            f'{", ".join(sorted(ENVIRONMENTS))}'
        ) from None
