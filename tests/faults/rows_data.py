"""Rows: numbers, stamps and strangers."""

from tests.faults import injections as do
from tests.faults.row import RIDE, Row

IGNORED = 'what is refused changes nothing: the policy goes on'
DISTRUST = 'who plans says nonsense: the policy is not to be trusted'
# Whichever it is: the arm may have been armed less than two seconds ago.
STALE = 'executor/chunk: refused: it (came after its own splice|was planned before)'
STRANGER = 'stranger on /policy/chunk'


def _names(message: object, _pose: object) -> None:
    message.joint_names = ['elbow_joint']


def _backwards(message: object, _pose: object) -> None:
    message.points.reverse()


ROWS = [
    Row(
        'NaN in /block_pose', 'data', 'state', do.nan_block, IGNORED, RIDE, short=True,
    ),
    Row(
        'NaN in the TCP pose of the controller', 'data', 'link', do.link('poison actual_TCP_pose'),
        'no state, no motion', reason='executor/mode: .*not finite',
        heal=do.link('cure'),
    ),
    Row(
        'NaN in the joints of the controller', 'data', 'link', do.link('poison actual_q'),
        'no state, no motion', reason='executor/mode: .*not finite',
        heal=do.link('cure'),
    ),
    Row(
        f'{STRANGER}: NaN', 'data', 'state', do.stranger(lambda m, _: do.nan_in(m)),
        DISTRUST, reason='executor/mode: .*NaN', short=True,
    ),
    Row(
        f'{STRANGER}: joint names', 'data', 'state', do.stranger(_names),
        DISTRUST, reason='executor/mode: .*elbow_joint',
    ),
    Row(
        f'{STRANGER}: stamps run back', 'data', 'state', do.stranger(_backwards),
        DISTRUST, reason='executor/mode: .*must rise',
    ),
    Row(
        f'{STRANGER}: stamps of 2 s ago', 'data', 'state',
        do.stranger(lambda m, _: do.delayed(m, -2.0)), IGNORED, RIDE,
        reason=STALE, short=True,
    ),
    Row(
        f'{STRANGER}: stamps of tomorrow', 'data', 'state',
        do.stranger(lambda m, _: do.delayed(m, 86_400.0)), IGNORED, RIDE,
        reason='executor/chunk: refused: it begins too far ahead',
    ),
    Row(
        f'{STRANGER}: 5 m away', 'data', 'state',
        do.stranger(lambda m, _: do.moved(m, 5.0)), DISTRUST,
        reason='executor/mode: .*leaps',
    ),
    Row(
        f'{STRANGER}: 1e300', 'data', 'state',
        do.stranger(lambda m, _: do.moved(m, 1e300)), DISTRUST,
        reason='executor/mode: .*leaps',
    ),
    Row(
        f'{STRANGER}: 1000 stale chunks in 2 s', 'data', 'state',
        do.stranger(lambda m, _: do.delayed(m, -2.0), times=1000), IGNORED, RIDE,
        reason=STALE,
    ),
    Row(
        'disk full while recording', 'recording', 'state', do.fill_disk,
        'the recorder ends its episode, whole; nobody needs it to move', RIDE,
        reason='recorder: .*(No space left|MB were left)', prepare=do.record_on_small_disk,
        heal=do.whole_episode, watch_s=4.0,
    ),
    Row(
        'recorder: SIGKILL while recording', 'recording', 'state', do.kill('recorder'),
        'nobody needs it to move; what it had written is repaired', RIDE,
        prepare=do.record, heal=do.repaired_episode, watch_s=4.0,
    ),
    *(
        Row(
            f'/clock jumps {seconds:+g} s', 'time', 'clock', do.clock(f'jump {seconds}'),
            'the schedule is of another time', reason='executor/mode: the clock jumped',
        )
        for seconds in (5.0, -5.0)
    ),
    Row(
        '/clock stands still', 'time', 'clock', do.clock('stop'),
        'without time nothing is due', reason='executor/mode: the clock jumped: it stood still',
        heal=do.clock('go'),
    ),
]  # fmt: skip
