"""The services that people and programs ask the executor by.

An answer may take seconds (a reconnect, the way back after a stop). The callbacks wait for it as
coroutines, so that the node goes on reporting and a hold still gets through.
"""

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from dp_ros.core.mode import Call
from dp_ros.nodes import topics
from dp_ros.nodes.arm_loop import ArmLoop


class ExecutorServices:
    """/executor/arm, /executor/hold and /executor/recover; `loop` gives None while inactive."""

    def __init__(self, node: Node, loop: Callable[[], ArmLoop | None]) -> None:
        self._node, self._loop = node, loop
        group = ReentrantCallbackGroup()
        rows: tuple[tuple[Any, str, Any], ...] = (
            (SetBool, topics.ARM_SERVICE, self._on_arm),
            (Trigger, topics.HOLD_SERVICE, self._on_hold),
            (Trigger, topics.RECOVER_SERVICE, self._on_recover),
        )
        self._services = [
            node.create_service(kind, name, callback, callback_group=group)
            for kind, name, callback in rows
        ]

    def destroy(self) -> None:
        """Remove the services."""
        for service in self._services:
            self._node.destroy_service(service)

    async def _on_arm(self, request: Any, response: Any) -> Any:
        return await self._answer(Call.ARM if request.data else Call.RELEASE, response)

    async def _on_hold(self, request: Any, response: Any) -> Any:
        return await self._answer(Call.HOLD, response)

    async def _on_recover(self, request: Any, response: Any) -> Any:
        return await self._answer(Call.RECOVER, response)

    async def _answer(self, call: Call, response: Any) -> Any:
        loop = self._loop()
        if loop is None:
            response.success, response.message = False, 'the executor is not active'
            return response
        answered: Future[None] = Future()
        asked = loop.ask(call)

        def pass_on(_: Any) -> None:
            answered.set_result(None)
            if self._node.executor is not None:
                self._node.executor.wake()

        asked.add_done_callback(pass_on)
        await answered
        response.success, response.message = asked.result()
        return response
