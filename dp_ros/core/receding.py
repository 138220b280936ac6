"""The receding horizon in time: when the next window is due, and what of a prediction is sent.

The grid is that of the windows: multiples of the period. The action decided at grid time t is the
waypoint due at t + period.
"""

from dataclasses import dataclass, replace

from dp_ros.core.stamped import ActionChunk, Array


@dataclass(frozen=True)
class RecedingHorizon:
    """Plans the anchors of successive windows; every update returns a new value.

    window_steps, action_steps: T_o and T_a; now_index: index in a prediction of the action decided
    at the anchor; margin_ns: time that a chunk needs from here to the executor.
    """

    period_ns: int
    window_steps: int
    action_steps: int
    now_index: int
    margin_ns: int
    next_anchor_ns: int = 0

    def started(self, now_ns: int) -> 'RecedingHorizon':
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

    def planned(self, anchor_ns: int) -> 'RecedingHorizon':
        """After a prediction from `anchor_ns`: the next one T_a steps later."""
        return replace(self, next_anchor_ns=anchor_ns + self.action_steps * self.period_ns)

    def refused(self, anchor_ns: int) -> 'RecedingHorizon':
        """After a window that could not be had: try the next grid time."""
        return replace(self, next_anchor_ns=anchor_ns + self.period_ns)

    def chunk(self, waypoints: Array, anchor_ns: int, now_ns: int) -> ActionChunk | None:
        """The part of a prediction (T_p, k) that can still be executed; None if all of it is past.

        It begins with the first waypoint that is due no sooner than it can reach the executor.
        """
        due = [
            anchor_ns + (i - self.now_index + 1) * self.period_ns for i in range(len(waypoints))
        ]
        first = next((i for i, t in enumerate(due) if t >= now_ns + self.margin_ns), None)
        return None if first is None else ActionChunk(tuple(due[first:]), waypoints[first:])
