"""The scripted expert at an input device: it sees the cell, and moves the axes as a hand would."""

from dataclasses import dataclass

import numpy as np

from dp_ros.core.stamped import Array
from dp_ros.sim.environment import STEP_S
from dp_ros.sim.expert import Expert

# How fast a deviation of the command from the expert's path is taken back [1/s].
CORRECTION = 5.0


@dataclass(frozen=True)
class Stretch:
    """From one waypoint (2,) to the next, which is due 0.1 s after `begun_s`."""

    begun_s: float
    start: Array
    end: Array

    def deflection(self, time_s: float, command: Array, full_speed: float) -> Array:
        """Of the x and y axis (2,) in [-1, 1], for an arm that was last sent to `command` (2,)."""
        share = (time_s - self.begun_s) / STEP_S
        reference = self.start + np.clip(share, 0, 1) * (self.end - self.start)
        velocity = CORRECTION * (reference - command)
        if share < 1:
            velocity = velocity + (self.end - self.start) / STEP_S
        return np.clip(velocity / full_speed, -1, 1)


class ScriptedOperator:
    """Decides a waypoint each 0.1 s; planning a push takes it longer at times, as a person.

    `decide` and `stretch` may be used by two threads: the hand goes on while the head thinks.
    """

    def __init__(self, rng: np.random.Generator, command: Array) -> None:
        self._expert = Expert(rng)
        self.stretch = Stretch(0.0, command, command)

    @property
    def done(self) -> bool:
        """Whether the expert has nothing left to do."""
        return self._expert.done

    def decide(self, time_s: float, observation: Array) -> None:
        """The next waypoint, from the observation (5,) tip x y, block x y yaw [m, rad]."""
        waypoint = self._expert.act(observation)
        self.stretch = Stretch(time_s, self.stretch.end, waypoint)
