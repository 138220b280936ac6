"""Single keys from a terminal, which is as it was when the program ends."""

import contextlib
import os
import select
import termios
import tty
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def key_by_key(file: int) -> Iterator[Callable[[float], str]]:
    """Read key by key, without echo; yields `read(timeout_s)` -> a key, '' if none came.

    A terminal that is gone reads as 'q'. Ctrl-C still interrupts.
    """
    before = termios.tcgetattr(file)
    try:
        tty.setcbreak(file, termios.TCSADRAIN)
        yield lambda timeout_s: _read(file, timeout_s)
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(file, termios.TCSADRAIN, before)


def _read(file: int, timeout_s: float) -> str:
    if not select.select([file], [], [], timeout_s)[0]:
        return ''
    try:
        return os.read(file, 1).decode('ascii', 'replace') or 'q'
    except OSError:
        return 'q'
