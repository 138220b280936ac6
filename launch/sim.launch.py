"""The demo's graph under `ros2 launch`: the processes of dp_ros/bringup.py, nothing else."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from dp_ros import bringup
from launch import LaunchDescription

ARGUMENTS = [
    DeclareLaunchArgument('out', default_value='out/demo', description='folder of the report'),
    DeclareLaunchArgument('episodes', default_value='5', description='how many episodes'),
    DeclareLaunchArgument('seed', default_value='1000', description='seed of the first episode'),
    DeclareLaunchArgument(
        'video', default_value='true', choices=['true', 'false'], description='draw the pictures'
    ),
    DeclareLaunchArgument(
        'policy',
        default_value=bringup.DEFAULT_POLICY,
        choices=['image', 'state'],
        description='what the policy sees: two cameras, or the true pose of the T',
    ),
    DeclareLaunchArgument(
        'address', default_value='127.0.0.2', description='loopback address of the controller'
    ),
    DeclareLaunchArgument(
        'series', default_value='e-Series', choices=['e-Series', 'CB3'], description='controller'
    ),
    DeclareLaunchArgument(
        'rate_hz', default_value='125', choices=['125', '500'], description='command stream'
    ),
]


def _graph(context):
    def value(name):
        return LaunchConfiguration(name).perform(context)

    graph = bringup.demo(
        Path(value('out')),
        int(value('episodes')),
        int(value('seed')),
        value('video') == 'true',
        policy=bringup.shipped(value('policy')),
        address=value('address'),
        series=value('series'),
        rate_hz=int(value('rate_hz')),
    )
    return [node(process) for process in graph]


def node(process):
    """One process of the list as a launch action."""
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
        on_exit=Shutdown(reason='the episodes are over') if process.leads else None,
    )


def generate_launch_description():
    """All of it."""
    variables = [SetEnvironmentVariable(k, v) for k, v in bringup.environment().items()]
    return LaunchDescription([*ARGUMENTS, *variables, OpaqueFunction(function=_graph)])
