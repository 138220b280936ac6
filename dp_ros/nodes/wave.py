"""A small, smooth motion of the tip around where it stands, as chunks of waypoints."""

import numpy as np

from dp_ros.core.stamped import ActionChunk, Array

AMPLITUDE_M = 0.03
FREQUENCIES_HZ = (0.45, 0.8)  # x and y: no common period within the latencies that are sought
RAMP_S = 1.0
STEP_S = 0.1
AHEAD_S = 1.5


class Wave:
    """From `pose` (7,) at `start_ns` for `seconds`, beginning and ending there at rest."""

    def __init__(self, pose: Array, start_ns: int, seconds: float) -> None:
        self._pose, self._start_ns, self._seconds = pose, start_ns, seconds

    def chunk(self, now_ns: int) -> ActionChunk | None:
        """The next waypoints, the first one step from now at the soonest; None at the end."""
        elapsed = max(0.0, (now_ns - self._start_ns) / 1e9)
        first = int(elapsed / STEP_S) + 2
        last = min(first + round(AHEAD_S / STEP_S), round(self._seconds / STEP_S) + 1)
        if first >= last:
            return None
        times = STEP_S * np.arange(first, last + 1)
        stamps = tuple(self._start_ns + round(t * 1e9) for t in times)
        return ActionChunk(stamps, np.stack([self.pose(t) for t in times]))

    def pose(self, seconds: float) -> Array:
        """The pose (7,) at this time after the start."""
        ramp = np.clip(min(seconds, self._seconds - seconds) / RAMP_S, 0.0, 1.0)
        size = AMPLITUDE_M * ramp**2 * (3 - 2 * ramp)
        pose = self._pose.copy()
        pose[:2] += size * np.sin(2 * np.pi * np.array(FREQUENCIES_HZ) * seconds)
        return pose
