import pytest

from dp_ros.replay.stretches import Stretch, find

P, T, H, IDLE = 'policy', 'teleoperated', 'holding', 'idle'


@pytest.mark.parametrize(
    ('modes', 'commands', 'expected'),
    [
        ([], [], []),
        ([(5, IDLE)], [], []),
        ([(5, P), (9, H)], [6], [Stretch(P, 5, 9, H)]),
        ([(5, P)], [6], [Stretch(P, 5, 20, IDLE)]),
        ([(5, P), (7, P), (9, 'stopped')], [6], [Stretch(P, 5, 9, 'stopped')]),
        ([(5, P), (8, T), (9, P)], [6], [
            Stretch(P, 5, 8, T), Stretch(T, 8, 9, P), Stretch(P, 9, 20, IDLE)
        ]),
        # The recording begins in the midst of it.
        ([], [2, 3], [Stretch('untold', 2, 20, IDLE)]),
        ([(9, H), (12, T)], [2], [Stretch('untold', 2, 9, H), Stretch(T, 12, 20, IDLE)]),
        # Nothing lasts.
        ([(20, P)], [], []),
    ],
)  # fmt: skip
def test_somebody_commands_from_mode_to_mode(modes, commands, expected):
    assert find(modes, commands, 20) == expected
