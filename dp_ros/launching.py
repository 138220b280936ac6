"""A graph of bringup.py as launch actions: what every launch file of this package shares.

`launch` and `launch_ros` belong to an installed ROS 2; nothing else imports this module.
"""

from collections.abc import Callable
from pathlib import Path

from launch.actions import OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from dp_ros import bringup

Value = Callable[[str], str]


def description(
    arguments: list[object], graph: Callable[[Value], list[bringup.Process]]
) -> LaunchDescription:
    """A launch description: `graph` is given a function that tells the value of an argument."""

    def nodes(context: LaunchContext) -> list[Node]:
        return [_node(p) for p in graph(lambda name: LaunchConfiguration(name).perform(context))]

    variables = [SetEnvironmentVariable(k, v) for k, v in bringup.environment().items()]
    return LaunchDescription([*arguments, *variables, OpaqueFunction(function=nodes)])


def _node(process: bringup.Process) -> Node:
    parameters = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in process.parameters.items()
    }
    return Node(
        package='dp_ros',
        executable=process.executable,
        name=process.node or None,
        parameters=[parameters],
        output='screen',
        on_exit=Shutdown(reason=f'{process.name} is done') if process.leads else None,
    )
