"""The checker of the matrix finds what breaks a limit, and nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.faults.limits import Sent, violations

PERIOD_S = 0.008
LIMITS = SimpleNamespace(
    low=(0.0, -0.5, 0.0),
    high=(1.0, 0.5, 0.5),
    table_z=0.0,
    speed=0.4,
    acceleration=4.0,
    jerk=60.0,
    angular_speed=1.0,
    angular_acceleration=5.0,
    angular_jerk=None,
)


def stream(positions, turns=None, numbers=None):
    """Commands one period apart; positions (n, 3), turns (n,) about z [rad]."""
    count = len(positions)
    turns = np.zeros(count) if turns is None else turns
    numbers = range(count) if numbers is None else numbers
    return [
        Sent(n * PERIOD_S, n, np.array([*p, 0.0, 0.0, np.sin(a / 2), np.cos(a / 2)]))
        for p, a, n in zip(positions, turns, numbers, strict=True)
    ]


def along_x(distances):
    """Positions from (0.5, 0, 0.1) along x."""
    return np.array([0.5, 0.0, 0.1]) + np.outer(distances, [1.0, 0.0, 0.0])


def smooth(speed, count=400):
    """A swing that keeps acceleration below 2.4 m/s^2 and jerk below 48 m/s^3 at 0.12 m/s."""
    t = np.arange(count) * PERIOD_S
    return along_x(speed / 20 * (1 - np.cos(20 * t)))


def told(commands):
    return {text.split(' ')[0] for text in violations(commands, LIMITS, PERIOD_S)}


def test_a_smooth_swing_breaks_nothing():
    assert told(stream(smooth(0.12))) == set()
    assert violations([], LIMITS, PERIOD_S) == []


def test_lost_messages_are_no_lurch():
    kept = [n for n in range(400) if n % 7 and n % 11]
    assert told(stream(smooth(0.12)[kept], numbers=kept)) == set()


@pytest.mark.parametrize(
    ('positions', 'expected'),
    [
        (along_x(np.arange(100) * 0.45 * PERIOD_S), {'speed'}),
        (
            along_x((np.arange(9) > 4) * 5 * PERIOD_S**2),
            {'acceleration', 'jerk'},
        ),
        (along_x(np.arange(100) ** 3 * 70 * PERIOD_S**3 / 6)[:3], set()),
        (along_x(np.arange(6) ** 3 * 70 * PERIOD_S**3 / 6), {'jerk'}),
        (along_x(0.500001 + np.zeros(5)), {'workspace'}),
        (np.tile([0.5, 0.0, -0.001], (5, 1)), {'workspace', 'table'}),
        (along_x(np.array([0.0, 0.0, np.nan, 0.0])), {'1'}),
    ],
)
def test_what_breaks_a_limit_is_named(positions, expected):
    assert told(stream(positions)) == expected


def test_a_turn_that_is_too_fast_is_named():
    t = np.arange(100) * PERIOD_S
    assert told(stream(along_x(0 * t), turns=0.9 * t)) == set()
    assert 'angular' in told(stream(along_x(0 * t), turns=1.1 * t))


def test_a_jump_across_a_gap_is_found():
    moved = smooth(0.1) + np.array([0.3, 0.0, 0.0])
    before, after = stream(smooth(0.1))[:50], stream(moved)[80:120]
    assert told(before + after) == {'speed'}
