"""Observation windows: stamped samples of every stream, aligned on the policy grid.

The grid is absolute: its points are the multiples of the period in ROS time, so two windows never
disagree about where the grid lies. A window has T_o grid times ending at its anchor. What cannot
be had is refused with a reason that names the stream.

A window depends only on which samples have come, not on their order: the same messages give the
same window to the bit, live and from a bag. An exception is made for a jump of the stamps by more
than a second, after which what came before counts no more.
"""

from collections.abc import Mapping

from dp_ros.core.refusal import Refusal, Refused
from dp_ros.core.stamped import Array, ObservationWindow, Sample
from dp_ros.core.stream_buffer import Kind, StreamBuffer, StreamSpec

# Beyond the window itself. A slow stream may still meet its neighbours of a second ago; frames are
# large, and are forgotten sooner.
VECTORS_KEPT_NS = 1_000_000_000
FRAMES_KEPT_NS = 500_000_000


class WindowBuilder:
    """Buffers of all streams of a task, and the windows that they allow."""

    def __init__(self, specs: Mapping[str, StreamSpec], period_ns: int, steps: int) -> None:
        self.period_ns, self.steps = period_ns, steps
        self._buffers = {
            name: StreamBuffer(name, spec, period_ns * steps + _kept_ns(spec))
            for name, spec in specs.items()
        }

    def add(self, stream: str, sample: Sample, now_ns: int) -> None:
        """Take a sample of a stream that arrived at `now_ns`."""
        self._buffers[stream].add(sample, now_ns)

    def set_fault(self, stream: str, reason: Refusal | None, detail: str = '') -> None:
        """Refuse windows because of what a stream's samples hold, until `reason` is None."""
        fault = None if reason is None else Refused(reason, stream, detail)
        self._buffers[stream].set_fault(fault)

    def clear(self, jump: str = '') -> None:
        """Forget all samples: the world was reset, or time jumped as `jump` describes."""
        for buffer in self._buffers.values():
            buffer.restart(jump)

    def newest_anchor_ns(self) -> int | None:
        """The newest grid time that every stream covers; None while one has no sample."""
        covered = [buffer.covered_ns for buffer in self._buffers.values()]
        known = [time for time in covered if time is not None]
        if len(known) < len(covered):
            return None
        return min(known) // self.period_ns * self.period_ns

    def ages_ns(self, now_ns: int) -> dict[str, int | None]:
        """Age of the newest sample of each stream; None where none has come."""
        return {
            name: None if buffer.newest_ns is None else now_ns - buffer.newest_ns
            for name, buffer in self._buffers.items()
        }

    def counts(self) -> dict[str, dict[str, int]]:
        """Duplicates, late samples and jumps of each stream since the start."""
        return {
            name: {'duplicates': held.duplicates, 'late': held.late, 'jumps': held.jumps}
            for name, held in self._buffers.items()
        }

    def troubles(self, now_ns: int) -> list[Refused]:
        """What is wrong with the streams at `now_ns`, at most one reason for each."""
        found = (buffer.trouble(now_ns) for buffer in self._buffers.values())
        return [trouble for trouble in found if trouble is not None]

    def settled(self, anchor_ns: int) -> list[tuple[str, Sample]]:
        """(stream, frame): those frames of the window ending at `anchor_ns` that are known."""
        found = [
            (name, buffer.settled(time))
            for name, buffer in self._buffers.items()
            if buffer.spec.kind is Kind.FRAME
            for time in self._times(anchor_ns)
        ]
        return [(name, sample) for name, sample in found if sample is not None]

    def window(self, anchor_ns: int, now_ns: int) -> ObservationWindow | Refused:
        """The window ending at `anchor_ns`, or the reason of the first stream that lacks it."""
        times = self._times(anchor_ns)
        streams: dict[str, Array] = {}
        frames: dict[str, tuple[Sample, ...]] = {}
        troubles = self.troubles(now_ns)
        if troubles:
            return troubles[0]
        for name, buffer in self._buffers.items():
            if buffer.spec.kind is Kind.FRAME:
                chosen = buffer.frames(times)
                if isinstance(chosen, Refused):
                    return chosen
                frames[name] = chosen
            else:
                rows = buffer.rows(times)
                if isinstance(rows, Refused):
                    return rows
                streams[name] = rows
        for buffer in self._buffers.values():
            buffer.served(anchor_ns)
        return ObservationWindow(times, streams, frames)

    def _times(self, anchor_ns: int) -> tuple[int, ...]:
        return tuple(anchor_ns - self.period_ns * i for i in reversed(range(self.steps)))


def _kept_ns(spec: StreamSpec) -> int:
    if spec.kind is Kind.FRAME:
        return FRAMES_KEPT_NS + spec.tolerance_ns
    return VECTORS_KEPT_NS
