"""Real-time scheduling and locked memory for a process that feeds an arm, where permitted.

Linux gives both to root, to a user with the limits `rtprio` and `memlock`, and to nobody else.
"""

import ctypes
import os
import resource
from dataclasses import dataclass
from pathlib import Path

CHOICES = ('off', 'auto', 'require')

# <sys/mman.h>. On fault: what the process never touches, as most of each thread's stack and of the
# middleware's shared memory, takes no memory.
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
# Bit of CapEff in /proc/self/status (capabilities(7)).
CAP_IPC_LOCK = 14
LIMITS = '/etc/security/limits.d/99-realtime.conf'


@dataclass(frozen=True)
class Granted:
    """What was given, in a few words, and what was not, in a sentence each."""

    given: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    fifo: bool = False

    @property
    def text(self) -> str:
        """For the log and /diagnostics."""
        return ', '.join(self.given) or 'none'


def request(choice: str, priority: int) -> Granted:
    """Ask the system for SCHED_FIFO for every thread of this process, and for locked memory.

    priority: 1 to 98, of 99. Threads that are started later inherit it. Raises ValueError for a
    choice that is none.
    """
    if choice not in CHOICES:
        raise ValueError(f'realtime is {choice!r}, expected one of: {", ".join(CHOICES)}')
    if choice == 'off':
        return Granted()
    scheduling, memory = _scheduling(priority), _memory()
    given = {f'SCHED_FIFO {priority}': scheduling, 'locked memory': memory}
    return Granted(
        given=tuple(name for name, refusal in given.items() if not refusal),
        refused=tuple(refusal for refusal in given.values() if refusal),
        fifo=not scheduling,
    )


def put_first(thread_id: int, priority: int) -> None:
    """Let one thread of this process go before its others; raises OSError."""
    os.sched_setscheduler(thread_id, os.SCHED_FIFO, os.sched_param(priority))


def _scheduling(priority: int) -> str:
    """'' where every thread has the priority now, else why not."""
    try:
        for thread in _threads():
            try:
                put_first(thread, priority)
            except ProcessLookupError:
                continue  # it ended meanwhile
    except PermissionError:
        soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
        return (
            f'no real-time scheduling: SCHED_FIFO {priority} was asked for, this user may have '
            f'up to {soft}. To allow it, write `{os.getenv("USER", "USER")} - rtprio 98` into '
            f'{LIMITS}, and log in anew'
        )
    except OSError as error:
        return f'no real-time scheduling: {error.strerror}'
    return ''


def _memory() -> str:
    """'' where memory is locked now, else why not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != resource.RLIM_INFINITY and not _may_lock():
        if hard != resource.RLIM_INFINITY:
            # Under a limit the lock might succeed now, and a later allocation fail.
            return (
                f'memory is not locked: this user may lock {soft // 1024} KiB, a process needs '
                f'more. To allow it, write `{os.getenv("USER", "USER")} - memlock unlimited` into '
                f'{LIMITS}, and log in anew'
            )
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    libc = _libc()
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0:
        return ''
    return f'memory is not locked: {os.strerror(ctypes.get_errno())}'


def _may_lock() -> bool:
    """Whether this process holds the capability to lock any amount of memory."""
    status = Path('/proc/self/status').read_text(encoding='ascii', errors='replace')
    line = next((line for line in status.splitlines() if line.startswith('CapEff:')), 'CapEff: 0')
    return bool(int(line.split()[1], 16) >> CAP_IPC_LOCK & 1)


def _threads() -> list[int]:
    return [int(path.name) for path in Path('/proc/self/task').iterdir()]


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
