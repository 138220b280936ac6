"""Values that carry the time they belong to; they cross every boundary of the stack.

Times are integer nanoseconds of ROS time. Arrays are read-only float64.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def frozen_array(values: ArrayLike) -> Array:
    """A read-only float64 copy of `values`."""
    array = np.array(values, dtype=float)
    array.setflags(write=False)
    return array


@dataclass(frozen=True)
class Sample:
    """One value of a stream: pose (7,) x y z qx qy qz qw, or joint positions (n,) [rad].

    In a stream of images the value is whatever holds the frame; the core never looks into it.
    """

    stamp_ns: int
    value: Any


@dataclass(frozen=True)
class ObservationWindow:
    """Aligned observations: `streams[name]` is (T_o, n), row i at `stamps_ns[i]`.

    The last row is the anchor. `frames[name]` holds T_o samples of a stream of images by
    reference, sample i stamped at or before `stamps_ns[i]`.
    """

    stamps_ns: tuple[int, ...]
    streams: Mapping[str, Array]
    frames: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)

    @property
    def anchor_ns(self) -> int:
        """Grid time of the newest step."""
        return self.stamps_ns[-1]


@dataclass(frozen=True)
class ActionChunk:
    """Waypoints with absolute times: `waypoints[i]` (k,) is due at `stamps_ns[i]`.

    A waypoint is a TCP pose (7,) or joint positions (n,), by the task's action space. The times
    rise strictly; the first is the splice: there the chunk takes over from what was committed.
    """

    stamps_ns: tuple[int, ...]
    waypoints: Array

    def __post_init__(self) -> None:
        if len(self.stamps_ns) != len(self.waypoints) or not self.stamps_ns:
            raise ValueError(
                f'a chunk needs one time for each waypoint: {len(self.stamps_ns)} times, '
                f'{len(self.waypoints)} waypoints'
            )
        if any(b <= a for a, b in zip(self.stamps_ns, self.stamps_ns[1:], strict=False)):
            raise ValueError('the times of a chunk must rise strictly')

    @property
    def splice_ns(self) -> int:
        """Time at which the first waypoint is due."""
        return self.stamps_ns[0]

    @property
    def end_ns(self) -> int:
        """Time at which the last waypoint is due."""
        return self.stamps_ns[-1]
