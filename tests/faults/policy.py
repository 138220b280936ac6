"""The policy process of the package on a machine whose clock differs from all others.

The parameter `ahead_ms` of its observation node says by how much, and may be set while it runs.
"""

from dp_ros.nodes import process
from dp_ros.nodes.inference import InferenceNode
from dp_ros.nodes.observation import ObservationNode
from dp_ros.nodes.parameters import declare


class ShiftedObservation(ObservationNode):
    """Only the clock that it reads is another."""

    def __init__(self) -> None:
        super().__init__()
        declare(self, 'ahead_ms', 0, 'clock ahead of the others', read_only=False)

    def _now_ns(self) -> int:
        return super()._now_ns() + int(self.get_parameter('ahead_ms').value) * 1_000_000


class ShiftedInference(InferenceNode):
    """Reads the same clock."""

    def _now_ns(self) -> int:
        return self._observation._now_ns()


def _nodes():
    observation = ShiftedObservation()
    return [observation, ShiftedInference(observation)]


if __name__ == '__main__':
    process.spin(_nodes)
