"""Observation windows out of a bag, in the order in which a live node would have had them."""

from collections.abc import Iterator
from dataclasses import dataclass

from dp_ros.core.refusal import Refused
from dp_ros.core.stamped import ObservationWindow
from dp_ros.data import alignment
from dp_ros.data.alignment import Alignment
from dp_ros.data.bag import Bag, Recorded
from dp_ros.data.topic_names import DIAGNOSTICS
from dp_ros.robot import Robot
from dp_ros.task import Task

# After a pause no window can be had of what lies further back: it is not even asked for.
LONGEST_PAUSE_NS = 10_000_000_000
PLANNED = 'inference/chunk'
"""The status on /diagnostics that names the digest of each window that a policy planned from."""


@dataclass(frozen=True)
class Anchored:
    """The window that ends at the grid time `anchor_ns`, or why there is none.

    received_ns: when the message came that covered it.
    """

    anchor_ns: int
    received_ns: int
    window: ObservationWindow | Refused


@dataclass(frozen=True)
class Verified:
    """How many windows of a policy are the same to the bit, other ones, and not to be had."""

    equal: int = 0
    different: int = 0
    missing: int = 0


def replayed(
    bag: Bag, aligned: Alignment, also: frozenset[str] = frozenset()
) -> Iterator[Recorded | Anchored]:
    """The messages of `also` as they arrived, and each grid time's window once it is covered.

    Holds no more than the buffers of `aligned`. Raises BagError where the bag is damaged.
    """
    period_ns = aligned.builder.period_ns
    done_ns: int | None = None
    for recorded in bag.messages({stream.topic for stream in aligned.inputs} | also):
        if recorded.topic in also:
            yield recorded
        readers = [stream for stream in aligned.inputs if stream.topic == recorded.topic]
        if not readers:
            continue
        message = recorded.message()
        for stream in readers:
            aligned.receive(stream, message, recorded.received_ns)
        newest_ns = aligned.builder.newest_anchor_ns()
        if newest_ns is None:
            continue
        # A grid time that is covered again, after a jump back, was had before.
        begin_ns = newest_ns if done_ns is None else done_ns + period_ns
        begin_ns = max(begin_ns, newest_ns - LONGEST_PAUSE_NS // period_ns * period_ns)
        for anchor_ns in range(begin_ns, newest_ns + 1, period_ns):
            window = aligned.builder.window(anchor_ns, recorded.received_ns)
            yield Anchored(anchor_ns, recorded.received_ns, window)
        done_ns = newest_ns if done_ns is None else max(done_ns, newest_ns)


def verify_windows(bag: Bag, task: Task, robot: Robot | None) -> Verified:
    """Build again the windows that a policy planned from while `bag` was recorded.

    Each is compared by the digest that the inference node published. Missing are those that the
    bag refuses, as where a window began before the recording. Raises BagError.
    """
    wanted = planned_digests(bag)
    if not wanted:
        return Verified()
    equal = different = 0
    for event in replayed(bag, Alignment(task, robot)):
        if not isinstance(event, Anchored) or event.anchor_ns not in wanted:
            continue
        if isinstance(event.window, Refused):
            continue
        frames = alignment.images(event.window)
        if isinstance(frames, Refused):
            continue
        same = alignment.digest(event.window, frames) == wanted[event.anchor_ns]
        equal, different = equal + same, different + (not same)
    return Verified(equal, different, len(wanted) - equal - different)


def planned_digests(bag: Bag) -> dict[int, str]:
    """Anchor [ns] -> digest of each window that a policy planned from; raises BagError."""
    found: dict[int, str] = {}
    for recorded in bag.messages({DIAGNOSTICS}):
        for status in recorded.message().status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name == PLANNED and values.get('anchor_ns', '').isdigit():
                found[int(values['anchor_ns'])] = values.get('window', '')
    return found
