"""A recorded episode against a checkpoint: policy live, executor in a dry run, time of the bag."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument

from dp_ros import bringup, launching

ARGUMENTS = [
    DeclareLaunchArgument('bag', description='folder of the episode'),
    DeclareLaunchArgument('checkpoint', description='folder of the checkpoint'),
    DeclareLaunchArgument('out', default_value='out/replay', description='folder of the report'),
    DeclareLaunchArgument(
        'robot', default_value='', description='robot file; empty: as it was recorded'
    ),
    DeclareLaunchArgument('speed', default_value='1.0', description='against real time'),
    DeclareLaunchArgument(
        'player',
        default_value='dp_ros',
        choices=['dp_ros', 'none'],
        description='none: play it yourself, with `ros2 bag play --clock`',
    ),
    launching.transition(),
    *launching.computing(),
]


def _graph(value):
    return bringup.replay(
        Path(value('bag')),
        Path(value('checkpoint')),
        Path(value('out')),
        Path(value('robot')) if value('robot') else None,
        float(value('speed')),
        value('player') == 'dp_ros',
        bringup.planning(
            value('transition'),
            device=value('policy_device'),
            precision=value('policy_precision'),
        ),
    )


def generate_launch_description():
    """All of it."""
    return launching.description(ARGUMENTS, _graph)
