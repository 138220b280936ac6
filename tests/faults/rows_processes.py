"""Rows: processes that die, or stand still for a while."""

from tests.faults.injections import freeze, give_back, kill, take_over
from tests.faults.row import HOLD, RIDE, Row

GROUP = 'processes'
WATCHDOG = 'the controller ends its program when nobody feeds its watchdog'


def _stopped(name: str, bench: str = 'state', **settings) -> list[Row]:
    """SIGSTOP for 1 s and for 4 s."""
    return [
        Row(
            f'{name}: SIGSTOP {seconds:g} s, SIGCONT',
            GROUP,
            bench,
            freeze(name, seconds),
            watch_s=seconds + (4.0 if settings.get('expects', HOLD) == HOLD else 1.0),
            **settings,
        )
        for seconds in (1.0, 4.0)
    ]


ROWS = [
    Row(
        'policy: SIGKILL', GROUP, 'state', kill('policy'),
        'the middleware notices that whoever planned is gone (lease of 0.2 s)',
        reason='executor/mode: the policy is gone',
        first=('restart policy',),
    ),
    *_stopped(
        'policy',
        because='a process that stands still renews no lease: as if it had died',
        reason='executor/mode: the policy is gone',
    ),
    Row(
        'executor: SIGKILL', GROUP, 'state', kill('executor'),
        WATCHDOG, goal_s=0.5, bound_s=1.0, by_arm=True, first=('restart executor',),
    ),
    *_stopped(
        'executor', because=WATCHDOG, goal_s=0.5, bound_s=1.0, by_arm=True,
        reason='executor/mode: .*(program stopped|link)|manager: executor is dead',
    ),
    Row(
        'sim: SIGKILL', GROUP, 'state', kill('sim'),
        'the controller falls silent: the link counts as lost',
        reason='executor/mode: .*link', blind=True,
        first=('restart sim',),
    ),
    *_stopped(
        'sim', because='the controller falls silent: the link counts as lost', blind=True,
        reason='executor/mode: .*link',
    ),
    Row(
        'recorder: SIGKILL', GROUP, 'state', kill('recorder'),
        'nobody needs a recorder to move', RIDE, first=('restart recorder',),
    ),
    *_stopped('recorder', because='nobody needs a recorder to move', expects=RIDE),
    Row(
        'teleop: SIGKILL', GROUP, 'state', kill('teleop'),
        'it did not command', RIDE, first=('restart teleop',),
    ),
    Row(
        'teleop: SIGKILL while it commands', GROUP, 'state', kill('teleop'),
        'silence is the deadman let go', reason='executor/mode: the operator let go',
        prepare=take_over, heal=give_back, first=('restart teleop',),
    ),
    Row(
        'teleop: SIGSTOP 1 s while it commands', GROUP, 'state', freeze('teleop', 1.0),
        'silence is the deadman let go', reason='executor/mode: the operator let go',
        prepare=take_over, heal=give_back, short=True,
    ),
    *_stopped('teleop', because='it did not command', expects=RIDE),
    Row(
        'manager: SIGKILL', GROUP, 'state', kill('manager'),
        'it only watches; a new one takes the graph as it is', RIDE, first=('restart manager',),
    ),
    *_stopped(
        'manager', because='it only watches', expects=RIDE,
    ),
    Row(
        'camera: SIGKILL', GROUP, 'cameras', kill('overhead'),
        'no windows without a camera', reason='observation: overhead: .*too old',
        first=('restart overhead',),
    ),
    *_stopped(
        'overhead', 'cameras', because='no windows without a camera',
        reason='observation: overhead: .*too old',
    ),
]  # fmt: skip
