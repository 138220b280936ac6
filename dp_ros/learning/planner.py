"""From an observation window to the waypoints of a prediction, live and in replay."""

from collections.abc import Mapping, Sequence

import torch

from dp_ros.core.receding import RecedingHorizon, StopAndWait
from dp_ros.core.stamped import Array, ObservationWindow, frozen_array
from dp_ros.data.alignment import StampedImage
from dp_ros.data.command_track import as_action
from dp_ros.learning.engines import AnyEngine
from dp_ros.task import CartesianAction, Task

# From publishing a chunk to its place in the executor's schedule; what is due sooner is not sent.
TRANSPORT_MARGIN_NS = 25_000_000


class Planner:
    """A policy that plans: the noise of its n-th chunk depends on `seed` and n alone."""

    def __init__(self, task: Task, engine: AnyEngine, seed: int) -> None:
        self.task, self.engine = task, engine
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def pins(self) -> bool:
        """Whether a prediction is void if what was certain does not come to be."""
        return self.engine.transition.pins

    def waypoints(
        self,
        window: ObservationWindow,
        frames: Mapping[str, Sequence[StampedImage]],
        before: Array | None = None,
        delay_steps: int = 0,
    ) -> Array:
        """A window and its frames, camera by camera -> T_p waypoints: poses (T_p, 7) or joints.

        The i-th is decided at step i + first of the window's grid and due one period later.
        before: what is committed at the same times, rows of NaN where nothing is; its first
        `delay_steps` waypoints from now on will be executed.
        """
        observations = self.task.vector(dict(window.streams))
        noise = torch.randn(self.engine.noise_shape, generator=self._generator).numpy()
        plan = None if before is None else as_action(self.task, before)
        actions = self.engine.predict(observations, noise, frames, plan, delay_steps)
        action = self.task.action
        return frozen_array(
            action.poses(actions) if isinstance(action, CartesianAction) else actions
        )


def receding_horizon(task: Task, lead_ns: int = 0) -> RecedingHorizon:
    """When the windows of `task` are due, and what of a prediction can still be executed.

    lead_ns: how much sooner than due the robot's executor sends an action.
    """
    horizons = task.horizons
    return RecedingHorizon(
        period_ns=task.period_ns,
        window_steps=horizons.observation,
        action_steps=horizons.action,
        prediction_steps=horizons.prediction,
        now_index=horizons.now,
        margin_ns=TRANSPORT_MARGIN_NS + lead_ns,
    )


def stop_and_wait(task: Task, lead_ns: int = 0) -> StopAndWait:
    """The same for an arm that stands while the policy thinks."""
    return StopAndWait(**vars(receding_horizon(task, lead_ns)))
