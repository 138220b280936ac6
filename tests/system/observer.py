"""A node of the test's own: it asks the graph's services and keeps what the topics say."""

import contextlib
import threading
import time

import rclpy
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from dp_ros.data import messages
from dp_ros.nodes import topics
from dp_ros.running import running


class Observer(Node):
    """Keeps modes, commands and diagnostics with the monotonic time they came at."""

    def __init__(self, context, chunk):
        super().__init__('observer', context=context)
        self.modes, self.commands, self.statuses, self.values = [], [], {}, {}
        self.chunk_out = chunk.publisher(self)
        self._listen(topics.MODE, lambda m: self.modes.append((time.monotonic(), m.data)))
        if chunk is topics.CARTESIAN_CHUNK:
            self._listen(topics.CARTESIAN_COMMAND, self._on_command)
        self._listen(topics.DIAGNOSTICS, self._on_diagnostics)

    @property
    def mode(self):
        """The newest mode, or None."""
        return self.modes[-1][1] if self.modes else None

    def wait_for(self, condition, timeout_s, what):
        """Until `condition()` holds; AssertionError naming `what` and the last statuses."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.01)
        raise AssertionError(
            f'not within {timeout_s} s: {what}; mode {self.mode}; {self.statuses}'
        )

    def ask(self, kind, name, request, timeout_s=15.0):
        """Call a service and return its answer."""
        client = self.create_client(kind, name)
        assert client.wait_for_service(timeout_s), f'no service {name}'
        done = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        assert done.wait(timeout_s), f'no answer from {name}'
        self.destroy_client(client)
        return future.result()

    def arm(self, on=True):
        """Ask the executor to hand over to the policy, or to let go."""
        return self.ask(SetBool, topics.ARM_SERVICE, SetBool.Request(data=on))

    def reset(self):
        """Put the simulated cell to its start."""
        return self.ask(Trigger, topics.RESET_SERVICE, Trigger.Request())

    def lifecycle_state(self, node):
        """Label of the lifecycle state of `node`."""
        answer = self.ask(GetState, f'/{node}/get_state', GetState.Request())
        return answer.current_state.label

    def change_state(self, node, transition):
        """Trigger a lifecycle transition of `node` by its number."""
        request = ChangeState.Request()
        request.transition.id = transition
        return self.ask(ChangeState, f'/{node}/change_state', request).success

    def _listen(self, topic, callback):
        self.create_subscription(topic.type, topic.name, callback, topic.qos)

    def _on_command(self, message):
        self.commands.append((time.monotonic(), messages.pose_sample(message).value))

    def _on_diagnostics(self, message):
        for status in message.status:
            self.statuses[status.name] = status.message
            self.values[status.name] = {pair.key: pair.value for pair in status.values}


@contextlib.contextmanager
def observing(domain, chunk=topics.CARTESIAN_CHUNK, kind=Observer):
    """An Observer that spins in a thread of its own, in this domain; it may publish chunks."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = kind(context, chunk)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        yield node
    finally:
        executor.shutdown(timeout_sec=2.0)
        thread.join()
        node.destroy_node()
        context.try_shutdown()


@contextlib.contextmanager
def graph_of(processes, domain, tmp_path):
    """The running processes and an Observer of them."""
    with (
        running(processes, tmp_path / 'logs', domain) as graph,
        observing(domain) as observer,
    ):
        yield graph, observer
