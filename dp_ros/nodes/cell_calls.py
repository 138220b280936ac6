"""What whoever conducts episodes asks of the simulated cell and the executor."""

import time
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from dp_ros.nodes import topics
from dp_ros.nodes.calls import call

MEETING_S = 0.5


class CellCalls:
    """Clients of the services of the cell and the executor; calls raise CallError."""

    def __init__(self, node: Node) -> None:
        self._arm: Client[Any, Any] = node.create_client(SetBool, topics.ARM_SERVICE)
        self._reset: Client[Any, Any] = node.create_client(Trigger, topics.RESET_SERVICE)
        self._set_parameters: Client[Any, Any] = node.create_client(
            SetParameters, '/sim/set_parameters'
        )

    def missing(self, timeout_s: float) -> str:
        """The service that does not appear within `timeout_s`; '' once all are there."""
        deadline = time.monotonic() + timeout_s
        for client in (self._set_parameters, self._reset, self._arm):
            if not client.wait_for_service(max(0.1, deadline - time.monotonic())):
                return str(client.srv_name)
        # A service that has not met its client yet cannot answer it, and says so only to itself.
        time.sleep(MEETING_S)
        return ''

    def to_start(self, seed: int) -> None:
        """Let go of the arm and put the cell to the start of episode `seed`."""
        self.release()
        value = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=seed)
        parameters = [Parameter(name='seed', value=value)]
        call(self._set_parameters, SetParameters.Request(parameters=parameters), 'set a seed')
        call(self._reset, Trigger.Request(), 'reset the cell')

    def arm(self) -> None:
        """Hand the arm to the policy."""
        call(self._arm, SetBool.Request(data=True), 'arm')

    def release(self) -> None:
        """Brake, and command the arm no more."""
        call(self._arm, SetBool.Request(data=False), 'let go of the arm')
