"""What the recorder must keep up with, on two cores."""

import pytest

from benchmarks.recorder import measure


@pytest.mark.slow
def test_two_raw_cameras_and_500_hz_of_state_are_recorded_without_loss(domain, tmp_path):
    found = measure(tmp_path, domain, seconds=5.0, camera_hz=30.0)
    assert found.sent == {
        '/overhead/color/image_raw': 150,
        '/wrist/color/image_raw': 150,
        '/joint_states': 2500,
    }
    assert found.recorded == found.sent
