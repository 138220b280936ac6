"""The receding horizon in time: when the next window is due, and what of a prediction is sent.

The grid is that of the windows: multiples of the period. The action decided at grid time t is the
waypoint due at t + period. A chunk that is there `delay` later than its anchor finds the first d
of its waypoints passed: these the arm has played from the chunk before.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from dp_ros.core.stamped import ActionChunk, Array

GridT = TypeVar('GridT', bound='Grid')


@dataclass(frozen=True)
class Grid:
    """What all horizons share.

    window_steps, action_steps, prediction_steps: T_o, T_a, T_p; now_index: index in a prediction
    of the action decided at the anchor; margin_ns: time that a chunk needs from here to the
    executor.
    """

    period_ns: int
    window_steps: int
    action_steps: int
    prediction_steps: int
    now_index: int
    margin_ns: int
    next_anchor_ns: int = 0

    def started(self: 'GridT', now_ns: int) -> 'GridT':
        """Begin anew: the first window lies wholly after `now_ns`."""
        first = -(-now_ns // self.period_ns) * self.period_ns
        return replace(self, next_anchor_ns=first + (self.window_steps - 1) * self.period_ns)

    def anchor(self, newest_ns: int | None) -> int | None:
        """The anchor to plan from, given the newest grid time that all streams cover.

        None while the next one is not covered. Where planning has fallen behind, the newest one:
        an old window would plan for a robot that has moved on.
        """
        if newest_ns is None or newest_ns < self.next_anchor_ns:
            return None
        return newest_ns

    def refused(self: 'GridT', anchor_ns: int) -> 'GridT':
        """After a window that could not be had: try the next grid time."""
        return replace(self, next_anchor_ns=anchor_ns + self.period_ns)

    def due(self, anchor_ns: int) -> tuple[int, ...]:
        """When the T_p waypoints of a prediction from `anchor_ns` are due."""
        first = anchor_ns + (1 - self.now_index) * self.period_ns
        return tuple(first + i * self.period_ns for i in range(self.prediction_steps))

    def delay_steps(self, delay_ns: int) -> int:
        """d: how many waypoints are due between the anchor and `delay_ns` later."""
        return max(0, -(-delay_ns // self.period_ns) - 1)


@dataclass(frozen=True)
class RecedingHorizon(Grid):
    """The next chunk is planned while the present one is played."""

    def planned(
        self, anchor_ns: int, delay_ns: int = 0, chunk: ActionChunk | None = None
    ) -> 'RecedingHorizon':
        """After a prediction from `anchor_ns`: the next one T_a steps later.

        Sooner if the one after it, `delay_ns` late, would else come when this one is played out.
        """
        usable = self.prediction_steps - self.now_index
        ahead = max(1, min(self.action_steps, usable - 1 - self.delay_steps(delay_ns)))
        return replace(self, next_anchor_ns=anchor_ns + ahead * self.period_ns)

    def chunk(
        self, waypoints: Array, anchor_ns: int, now_ns: int, delay_steps: int | None = None
    ) -> ActionChunk | None:
        """The part of a prediction (T_p, k) that can still be executed; None if all of it is past.

        It begins with the first waypoint that is due no sooner than it can reach the executor. A
        prediction that knew of `delay_steps` committed ones begins just behind them; if that is
        past already, what it was planned for did not happen, and there is no chunk.
        """
        due = self.due(anchor_ns)
        first = next((i for i, t in enumerate(due) if t >= now_ns + self.margin_ns), len(due))
        if delay_steps is not None:
            behind = self.now_index + delay_steps
            first = behind if behind >= first else len(due)
        return ActionChunk(due[first:], waypoints[first:]) if first < len(due) else None


@dataclass(frozen=True)
class StopAndWait(Grid):
    """The arm plays T_a actions, comes to rest, and stands while the next chunk is planned.

    What most stacks do; here to be compared with. settle_steps: until the arm, which lags behind
    what it is told, stands; dwell_steps: for how long a chunk lets it stand.
    """

    settle_steps: int = 2
    dwell_steps: int = 30

    def planned(
        self, anchor_ns: int, delay_ns: int = 0, chunk: ActionChunk | None = None
    ) -> 'StopAndWait':
        """After a prediction from `anchor_ns`: the next one sees the arm at rest again."""
        if chunk is None:
            return self.refused(anchor_ns)
        played = chunk.stamps_ns[-2] + self.settle_steps * self.period_ns
        return replace(self, next_anchor_ns=played + (self.window_steps - 1) * self.period_ns)

    def chunk(
        self, waypoints: Array, anchor_ns: int, now_ns: int, delay_steps: int | None = None
    ) -> ActionChunk | None:
        """T_a waypoints from the one decided at the anchor on, as late as they come, and a rest.

        The arm has stood since the anchor, so all of them still mean what they meant.
        """
        begin = self.now_index
        due = self.due(anchor_ns)[begin : begin + self.action_steps]
        late = max(0, -(-(now_ns + self.margin_ns - due[0]) // self.period_ns))
        stamps = [stamp + late * self.period_ns for stamp in due]
        stamps.append(stamps[-1] + self.dwell_steps * self.period_ns)
        played = waypoints[begin : begin + len(due)]
        return ActionChunk(tuple(stamps), np.concatenate([played, played[-1:]]))


Horizon = RecedingHorizon | StopAndWait
