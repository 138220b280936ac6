"""Push-T in the cell from pixels: the same physics, seen through cameras with noisy sensors."""

import numpy as np

from dp_ros.sim.environment import PushTCell
from dp_ros.sim.views import CellViews, Image


class SeenCell:
    """Environment (sim/rollout.py). Observation (2,): tip x y [m]; images as `views` has them.

    Many may share one CellViews. `cell` knows the truth.
    """

    rate_hz = PushTCell.rate_hz
    max_steps = PushTCell.max_steps

    def __init__(self, views: CellViews) -> None:
        self.cell, self._views = PushTCell(), views
        self._noise = views.noise(0)

    def reset(self, seed: int) -> np.ndarray:
        """Start as PushTCell does; equal seeds give equal episodes, the noise included."""
        self._noise = self._views.noise(seed)
        return self.cell.reset(seed)[:2]

    def step(self, action: np.ndarray) -> np.ndarray:
        """Move the command to the waypoint `action` (2,), metres, over 0.1 s of simulation."""
        return self.cell.step(action)[:2]

    @property
    def images(self) -> dict[str, Image]:
        """Prepared frames by camera, rendered now; asked twice, they differ in their noise."""
        return self._views.of_qpos(self.cell.cell.qpos, self._noise)

    @property
    def coverage(self) -> float:
        """Part of the goal that the T covers now."""
        return self.cell.coverage

    @property
    def done(self) -> bool:
        """Whether the goal is covered as gym-pusht asks."""
        return self.cell.done
