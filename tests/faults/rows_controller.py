"""Rows: what happens to the controller, and to the cable before it."""

from tests.faults.bench import Bench
from tests.faults.injections import event, link
from tests.faults.row import Row

LINK = 'executor/mode: .*link'


def _cut_power(bench: Bench) -> None:
    bench.extra['proxy'].kill()


def _power_on(bench: Bench) -> None:
    bench.extra['proxy'].start()


def _stop(name: str, text: str, heal: str = 'release', said: str = '', **settings) -> Row:
    return Row(
        text, 'controller', 'state', event(name),
        'the controller stops the arm itself; the executor says so and waits',
        reason=f'executor/mode: the controller stopped: {said or text}',
        heal=event(heal) if heal else None, by_arm=True, **settings,
    )  # fmt: skip


ROWS = [
    _stop('protective_stop', 'protective stop', short=True),
    _stop(
        'protective_stop', 'protective stop, unlocked by the executor', heal='',
        said='protective stop', first=('5.2s wait',),
    ),
    _stop('emergency_stop', 'emergency stop'),
    _stop('safeguard_stop', 'safeguard stop'),
    _stop('stop_program', 'program stopped'),
    _stop(
        'local_control', 'remote control lost', heal='remote_control',
        said='no remote control',
    ),
    _stop('power_off', 'arm loses its power', said='not operational'),
    Row(
        'RTDE sockets reset', 'link', 'link', link('close'),
        'the driver says at once that the link is lost', reason=LINK,
    ),
    Row(
        'controller muted 1 s', 'link', 'link', link('mute'),
        'silence longer than link_timeout_s is a lost link', reason=LINK,
        heal=link('unmute'),
    ),
    Row(
        'controller muted 4 s', 'link', 'link', link('mute'),
        'silence longer than link_timeout_s is a lost link', reason=LINK,
        heal=link('', 'unmute', apart_s=2.5),
    ),
    Row(
        'controller unreachable, back after 2 s', 'link', 'link', _cut_power,
        'the driver says at once that the link is lost', reason=LINK,
        heal=_power_on,
    ),
]  # fmt: skip
