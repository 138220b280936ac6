"""The end that a person or a supervisor asks for: noted when it comes, obeyed between steps."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Ending:
    """Which signal asked for the end; 0 until one did."""

    number = 0

    def __bool__(self) -> bool:
        return self.number != 0


@contextlib.contextmanager
def asked_to_end() -> Iterator[Ending]:
    """Ctrl-C and SIGTERM are noted; a second Ctrl-C interrupts as ever.

    An exception that a signal raises may fall between taking a lock and the `with` that gives it
    back; whoever waits for that lock then waits for ever. After SIGTERM the program ends with its
    usual code, once everything is closed.
    """
    ending = Ending()

    def note(number: int, _: FrameType | None) -> None:
        ending.number = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if ending.number == signal.SIGTERM:
        raise SystemExit(128 + ending.number)
