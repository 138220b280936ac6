"""The setpoint that was sent last, how it moves, and the way on which it can come to rest."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dp_ros.core import turning
from dp_ros.core.outlook import Path
from dp_ros.core.profile import State
from dp_ros.core.stamped import Array, frozen_array


@dataclass(frozen=True)
class Motion:
    """The setpoint last sent, (7,) or (n,), and the verified path on which the arm can rest.

    path, index: where on it the setpoint is; before: the setpoint before; asked: the last
    targets, brought inside the bounds, oldest first; until: the index up to which the path leads
    to the last of them, the rest is the brake; reasons: the limits that changed this plan.
    """

    path: Path
    index: int
    before: Path
    asked: tuple[Array, ...] = ()
    until: int = 0
    reasons: frozenset[str] = frozenset()

    @classmethod
    def at_rest(cls, setpoint: Array, pose: bool) -> 'Motion':
        """Standing still at `setpoint`, where no kinematics is known."""
        row = frozen_array(setpoint)[None]
        nothing = np.zeros((1, 3 if pose else len(setpoint)))
        place = Path(
            row,
            State(row[:, :3] if pose else row, nothing, nothing),
            tips=row[:, :3] if pose else None,
            joints=None if pose else row,
        )
        return cls(place, 0, place)

    @cached_property
    def setpoint(self) -> Array:
        """Pose (7,) or joints (n,), read-only."""
        return frozen_array(self.path.setpoints[self.index])

    @cached_property
    def now(self) -> Path:
        """The setpoint and all that is known of it."""
        return self.path.row(self.index)

    def braked(self) -> 'Motion':
        """One setpoint further on the path to rest."""
        index = self.index if self.still else self.index + 1
        return Motion(self.path, index, self.now)

    def onward(self) -> 'Motion':
        """One setpoint further on the plan."""
        return replace(self, index=min(self.index + 1, self.end), before=self.now)

    @property
    def end(self) -> int:
        """Index of the setpoint at which the arm rests."""
        return len(self.path.setpoints) - 1

    @cached_property
    def velocity(self) -> Array:
        """Of the axes (3,) or (n,) [1/s]; of a pose that turns (6,), the angular one behind."""
        return self._physical[0]

    @property
    def acceleration(self) -> Array:
        """As `velocity` [1/s^2]."""
        return self._physical[1]

    @property
    def still(self) -> bool:
        """Whether the setpoint has stopped."""
        return self.index == self.end

    @cached_property
    def _physical(self) -> tuple[Array, Array]:
        state = self.path.state
        velocity, acceleration = state.velocity[self.index], state.acceleration[self.index]
        if self.path.anchor is None:
            return velocity, acceleration
        turn = State(state.position[self.index, 3:], velocity[3:], acceleration[3:])
        omega, alpha = turning.physical(turn)
        return np.append(velocity[:3], omega), np.append(acceleration[:3], alpha)
