"""A thread of a node has failed: its process ends, so that nobody takes it for one that works."""

import os
import signal
import traceback

from rclpy.node import Node


def end_process(node: Node, failed: str, error: BaseException) -> None:
    """Log `failed`, a clause, and the traceback, and end the process, to be started anew."""
    trace = ''.join(traceback.format_exception(error))
    node.get_logger().fatal(f'{failed}, the process ends:\n{trace}')
    os.kill(os.getpid(), signal.SIGINT)
