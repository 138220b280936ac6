"""The recorder beside a graph that runs; its services start and stop episodes."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument

from dp_ros import bringup, launching

ARGUMENTS = [
    DeclareLaunchArgument('task', description='task description (YAML)'),
    DeclareLaunchArgument('robot', description='robot file (YAML)'),
    DeclareLaunchArgument('folder', default_value='recordings', description='where episodes go'),
    DeclareLaunchArgument('operator', default_value='', description='who teleoperates'),
    DeclareLaunchArgument(
        'frames',
        default_value='raw',
        choices=['raw', 'jpeg', 'h264'],
        description='how raw frames are stored',
    ),
]


def _graph(value):
    return bringup.record(
        Path(value('task')),
        Path(value('robot')),
        Path(value('folder')),
        operator=value('operator'),
        frames=value('frames'),
    )


def generate_launch_description():
    """All of it."""
    return launching.description(ARGUMENTS, _graph)
