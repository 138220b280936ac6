"""Discrete channels of an arm, such as its gripper: by absolute time, and never blended."""

import bisect
from dataclasses import dataclass

from dp_ros.core.stamped import ActionChunk, Array, frozen_array


@dataclass(frozen=True)
class Switches:
    """Committed states (k, m), each in force from its time until that of the next.

    Every update returns a new value. Whether a chunk is taken is decided by the arm that plays it
    (core/stream.py); this only follows.
    """

    stamps_ns: tuple[int, ...]
    states: Array

    @classmethod
    def standing(cls, now_ns: int, states: Array) -> 'Switches':
        """As the channels (m,) are now."""
        return cls((now_ns,), frozen_array(states[None]))

    def accept(self, chunk: ActionChunk, now_ns: int) -> 'Switches':
        """After a chunk that the arm has accepted: it replaces everything from its splice on."""
        first = self._index(now_ns)
        last = bisect.bisect_left(self.stamps_ns, chunk.splice_ns)
        return Switches(
            (*self.stamps_ns[first:last], *chunk.stamps_ns),
            frozen_array([*self.states[first:last], *chunk.waypoints]),
        )

    def due(self, time_ns: int) -> Array:
        """States (m,) in force at a time; before the first, that one."""
        state: Array = self.states[self._index(time_ns)]
        return state

    def held(self, now_ns: int) -> 'Switches':
        """As it is now, and so it stays: an arm that stops does nothing with its gripper."""
        return Switches.standing(now_ns, self.due(now_ns))

    def _index(self, time_ns: int) -> int:
        return max(bisect.bisect_right(self.stamps_ns, time_ns) - 1, 0)
