"""Some CPUs have no bfloat16."""

import pytest

from dp_ros.learning.openvino_network import require_bfloat16


def needs_bfloat16():
    """Skip the test on such a CPU."""
    try:
        require_bfloat16()
    except ValueError as error:
        pytest.skip(str(error))
