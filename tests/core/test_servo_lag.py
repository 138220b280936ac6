import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.core import servo_lag

START_NS = 1_700_000_000_000_000_000


def nanoseconds(seconds):
    return START_NS + np.round(seconds * 1e9).astype(np.int64)


def wave(seconds):
    phases = 2 * np.pi * np.array([0.45, 0.8, 0.3]) * np.asarray(seconds)[:, None]
    return 0.03 * np.sin(phases)


def recorded(lag_s, amplitude=1.0, rng=None, seconds=8.0, noise=1e-5):
    """Commands and states at 60 Hz with jitter and losses, on stamps of their own."""
    rng = rng or np.random.default_rng(0)
    told = np.arange(0, seconds, 1 / 60) + rng.uniform(0, 0.005)
    told = told[rng.random(len(told)) > 0.05]
    known = np.arange(0, seconds, 1 / 60) + rng.uniform(0, 0.004, round(60 * seconds))
    states = amplitude * wave(known - lag_s) + noise * rng.normal(size=(len(known), 3))
    return nanoseconds(told), wave(told), nanoseconds(known), states


@settings(max_examples=25, deadline=None)
@given(lag_s=st.floats(-0.02, 0.4), amplitude=st.floats(0.6, 1.1), seed=st.integers(0, 1000))
def test_a_pure_delay_is_recovered(lag_s, amplitude, seed):
    found = servo_lag.measure(*recorded(lag_s, amplitude, np.random.default_rng(seed)))
    assert found.lag_s == pytest.approx(lag_s, abs=0.001)
    assert found.amplitude == pytest.approx(amplitude, abs=0.01)
    assert found.agreement > 0.999


@pytest.mark.parametrize('lookahead_s', [0.03, 0.1, 0.2])
def test_a_first_order_filter_lags_by_its_phase(lookahead_s):
    """What a servo with this lookahead does, at one frequency: a sine lags by atan(wT)/w."""
    omega, tick = 2 * np.pi * 0.6, 0.002
    times = np.arange(0, 12.0, tick)
    command = 0.03 * np.sin(omega * times)[:, None]
    state, states = 0.0, []
    for goal in command[:, 0]:
        state += (1 - np.exp(-tick / lookahead_s)) * (goal - state)
        states.append([state])
    kept = times > 2.0
    stamps = nanoseconds(times[kept])
    found = servo_lag.measure(stamps, command[kept], stamps, np.array(states)[kept])
    expected = np.arctan(omega * lookahead_s) / omega
    assert found.lag_s == pytest.approx(expected, abs=0.003)
    assert found.amplitude == pytest.approx(1 / np.hypot(1, omega * lookahead_s), abs=0.01)


def test_the_residual_is_what_the_lag_does_not_explain():
    told, commands, known, states = recorded(0.1, noise=0.0)
    assert servo_lag.measure(told, commands, known, states).residual < 2e-4
    states = states + np.array([0.0, 0.0, 0.002])
    residual = servo_lag.measure(told, commands, known, states).residual
    assert residual == pytest.approx(0.002, rel=0.05)


def test_an_arm_that_does_not_move_is_a_sentence():
    told, commands, known, states = recorded(0.1)
    with pytest.raises(ValueError, match='nothing moved'):
        servo_lag.measure(told, commands, known, 0 * states)
    with pytest.raises(ValueError, match='nothing moved'):
        servo_lag.measure(told, 0 * commands, known, states)


@pytest.mark.parametrize('kept', [0, 1, 20])
def test_too_little_is_a_sentence(kept):
    told, commands, known, states = recorded(0.1)
    with pytest.raises(ValueError, match='expected'):
        servo_lag.measure(told[:kept], commands[:kept], known, states)
    with pytest.raises(ValueError, match='expected'):
        servo_lag.measure(told, commands, known[:kept], states[:kept])
