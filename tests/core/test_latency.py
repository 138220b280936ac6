import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.core import latency

START_NS = 1_700_000_000_000_000_000


def position(seconds):
    return 0.03 * np.stack(
        [np.sin(2 * np.pi * 0.45 * seconds), np.sin(2 * np.pi * 0.8 * seconds)], axis=-1
    )


def nanoseconds(seconds):
    return START_NS + np.round(seconds * 1e9).astype(np.int64)


def recorded(late_s, rng, drop=0.1, noise=0.02, seconds=12.0):
    """Frames at 30 Hz with lost ones, stamped late, and states at 60 Hz with jitter."""
    captures = np.arange(0, seconds, 1 / 30) + rng.uniform(0, 0.03)
    captures = captures[rng.random(len(captures)) > drop]
    moved = np.linalg.norm(np.diff(position(captures), axis=0), axis=1)
    # A picture changes less and less for each further centimetre, and its noise never ends.
    change = np.append(
        0.0, np.sqrt((0.2 + moved / 0.003) * (1 + noise * rng.normal(size=len(moved))))
    )
    states = np.arange(-0.7, seconds + 0.3, 1 / 60)
    states = states + rng.uniform(0, 0.004, len(states))
    return nanoseconds(captures + late_s), change, nanoseconds(states), position(states)


@settings(max_examples=25, deadline=None)
@given(late_s=st.floats(-0.05, 0.3), seed=st.integers(0, 1000))
def test_the_injected_latency_is_recovered(late_s, seed):
    found = latency.measure(*recorded(late_s, np.random.default_rng(seed)))
    assert found.latency_s == pytest.approx(late_s, abs=0.005)
    assert found.agreement > 0.7


@pytest.mark.parametrize('late_s', [0.55, 0.6, 0.7, 0.8, 1.0, -0.2])
def test_a_latency_that_is_longer_than_the_motion_is_not_taken_for_another(late_s):
    """The motion repeats itself after 0.6 s."""
    found = latency.measure(*recorded(late_s, np.random.default_rng(3), seconds=20.0))
    assert found.latency_s == pytest.approx(late_s, abs=0.005)


def test_a_latency_at_the_edge_of_what_is_tried_is_a_sentence():
    with pytest.raises(ValueError, match=r'outside -0.3 .. 1.1 s: see that the clocks'):
        latency.measure(*recorded(1.105, np.random.default_rng(0), seconds=20.0))


def test_a_camera_that_does_not_see_the_arm_agrees_with_nothing():
    rng = np.random.default_rng(0)
    frames, _, states, positions = recorded(0.1, rng)
    found = latency.measure(frames, 1 + 0.1 * rng.random(len(frames)), states, positions)
    assert found.agreement < 0.5


def test_a_resting_arm_gives_no_agreement():
    frames, change, states, positions = recorded(0.1, np.random.default_rng(0))
    assert latency.measure(frames, change, states, 0 * positions).agreement == 0.0


def test_too_few_frames_are_a_sentence():
    frames, change, states, positions = recorded(0.1, np.random.default_rng(0))
    with pytest.raises(ValueError, match='10 frames'):
        latency.measure(frames[:10], change[:10], states, positions)
