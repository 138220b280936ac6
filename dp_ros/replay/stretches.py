"""The stretches of a bag in which somebody commanded the arm: a policy, or a person."""

from collections.abc import Sequence
from dataclasses import dataclass

from dp_ros.core.mode import COMMANDED, Mode

UNTOLD = 'untold'


@dataclass(frozen=True)
class Stretch:
    """From `begin_ns` to `end_ns` somebody commanded the arm; `next_mode` is what came then.

    mode: 'policy' or 'teleoperated'; 'untold' where the bag begins in the midst of it.
    """

    mode: str
    begin_ns: int
    end_ns: int
    next_mode: str


def find(
    modes: Sequence[tuple[int, str]], command_ns: Sequence[int], end_ns: int
) -> list[Stretch]:
    """From the modes (time [ns], mode), the times of recorded commands, and the end of the bag.

    The mode is told when it changes: before the first change, commands tell that there was one.
    """
    marks = list(modes)
    first = marks[0][0] if marks else end_ns
    if command_ns and command_ns[0] < first:
        marks.insert(0, (command_ns[0], UNTOLD))
    commanded = (*(mode.value for mode in COMMANDED), UNTOLD)
    changes = [m for i, m in enumerate(marks) if i == 0 or m[1] != marks[i - 1][1]]
    ends = [*changes[1:], (end_ns, Mode.IDLE.value)]
    return [
        Stretch(mode, begin, end, after)
        for (begin, mode), (end, after) in zip(changes, ends, strict=False)
        if mode in commanded and end > begin
    ]
