"""A graph of bringup.py as launch actions: what every launch file of this package shares.

`launch` and `launch_ros` belong to an installed ROS 2; nothing else imports this module. What ends
before its time is started again by launch, each time after the same pause; one that is lost again
and again is not brought up any more by the manager (core/supervisor.py). On Ctrl-C launch stops
all processes at once: the executor brakes by itself.
"""

from collections.abc import Callable
from pathlib import Path

from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from dp_ros.ros_process import Process, Role, enclave, environment, security
from dp_ros.running import RECORDER_STOP_TIMEOUT_S, STOP_TIMEOUT_S

RESPAWN_DELAY_S = 2.0
Value = Callable[[str], str]


def description(
    arguments: list[object], graph: Callable[[Value], list[Process]]
) -> LaunchDescription:
    """A launch description: `graph` is given a function that tells the value of an argument."""

    def actions(context: LaunchContext) -> list[Action]:
        def value(name: str) -> str:
            return str(LaunchConfiguration(name).perform(context))

        keystore = value('security')
        variables = environment() | (security(Path(keystore)) if keystore else {})
        return [
            *(SetEnvironmentVariable(name, text) for name, text in variables.items()),
            *(_node(process) for process in graph(value)),
        ]

    secured = DeclareLaunchArgument(
        'security', default_value='', description='keystore of SROS2; empty: ROS is not secured'
    )
    return LaunchDescription([*arguments, secured, OpaqueFunction(function=actions)])


def transition() -> DeclareLaunchArgument:
    """The argument `transition`: learning/transition.py, or empty."""
    return DeclareLaunchArgument(
        'transition',
        default_value='',
        choices=['', 'switch', 'fade', 'ensemble', 'replacement', 'guided', 'coherent', 'prefix'],
        description="how a chunk takes over from the one before; empty: by the node's default",
    )


def computing() -> list[DeclareLaunchArgument]:
    """The arguments `policy_device` and `policy_precision`: learning/place.py, or empty."""
    return [
        DeclareLaunchArgument(
            'policy_device',
            default_value='',
            description='where it computes: cpu, openvino, cuda ...; empty: a GPU if there is one',
        ),
        DeclareLaunchArgument(
            'policy_precision',
            default_value='',
            choices=['', 'float32', 'tf32', 'bf16'],
            description='of all denoising steps but the last; empty: float32',
        ),
    ]


def _node(process: Process) -> Node:
    parameters = {name: _parameter(value) for name, value in process.parameters.items()}
    patience_s = RECORDER_STOP_TIMEOUT_S if process.role is Role.RECORDER else STOP_TIMEOUT_S
    return Node(
        package='dp_ros',
        executable=process.executable,
        name=process.node or None,
        parameters=[parameters],
        ros_arguments=['--enclave', enclave(process.name)],
        output='screen',
        sigterm_timeout=str(patience_s),
        respawn=process.restarted,
        respawn_delay=RESPAWN_DELAY_S,
        on_exit=Shutdown(reason=f'{process.name} is done') if process.leads else None,
    )


def _parameter(value: object) -> object:
    """Text stays text, which launch would read as YAML: an operator may be called 007."""
    if isinstance(value, (str, Path)):
        return ParameterValue(str(value), value_type=str)
    return value
