"""The policy process: observation and inference composed, so that windows pass by reference."""

from dp_ros.nodes import process
from dp_ros.nodes.inference import InferenceNode
from dp_ros.nodes.observation import ObservationNode


def _nodes() -> list[ObservationNode | InferenceNode]:
    observation = ObservationNode()
    return [observation, InferenceNode(observation)]


def main() -> None:
    """Run the policy process."""
    process.spin(_nodes)


if __name__ == '__main__':
    main()
