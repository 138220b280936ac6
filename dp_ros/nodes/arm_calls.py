"""A person's calls to the executor: hand over the arm, brake it, recover it, let go of it."""

from contextlib import AbstractContextManager
from typing import Any

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from dp_ros.nodes import process, topics
from dp_ros.nodes.calls import CallError, call

TIMEOUT_S = 5.0


class ArmCalls(Node):
    """Each call answers with the executor's own words, and raises CallError where it refuses."""

    def __init__(self) -> None:
        super().__init__('arm_calls')
        self._arm: Any = self.create_client(SetBool, topics.ARM_SERVICE)
        self._hold: Any = self.create_client(Trigger, topics.HOLD_SERVICE)
        self._recover: Any = self.create_client(Trigger, topics.RECOVER_SERVICE)

    def arm(self) -> str:
        """Hand the arm to the policy."""
        return self._call(self._arm, SetBool.Request(data=True), 'arm')

    def release(self) -> str:
        """Brake, and command the arm no more."""
        return self._call(self._arm, SetBool.Request(data=False), 'let go of the arm')

    def hold(self) -> str:
        """Brake and stay."""
        return self._call(self._hold, Trigger.Request(), 'hold')

    def recover(self) -> str:
        """Clear a stop of the controller, and hold."""
        return self._call(self._recover, Trigger.Request(), 'recover')

    def _call(self, client: Any, request: Any, what: str) -> str:
        if not client.wait_for_service(TIMEOUT_S):
            raise CallError(
                f'no executor: {client.srv_name} did not appear within {TIMEOUT_S:.0f} s; start '
                f'one (dp-ros robot, ros2 launch), or set ROS_DOMAIN_ID to that of the graph'
            )
        return call(client, request, what)


def connected(domain: int) -> AbstractContextManager[ArmCalls]:
    """Calls that spin in a thread of their own; signals stay with the caller."""
    return process.connected(ArmCalls, domain)
