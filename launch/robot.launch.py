"""A policy on the real arm: cameras, executor, policy, and a person's input device.

Nothing moves until `ros2 service call /executor/arm std_srvs/srv/SetBool '{data: true}'`.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument

from dp_ros import bringup, launching

ARGUMENTS = [
    DeclareLaunchArgument('robot', description='robot file (YAML): arm, limits, cameras'),
    DeclareLaunchArgument('task', description='task description (YAML)'),
    DeclareLaunchArgument(
        'checkpoint', default_value='', description='folder of the policy; empty: none runs'
    ),
    DeclareLaunchArgument(
        'device', default_value='', description='device file of a person; empty: nobody'
    ),
    launching.transition(),
    *launching.computing(),
]


def _graph(value):
    return bringup.robot(
        Path(value('robot')),
        Path(value('task')),
        Path(value('checkpoint')) if value('checkpoint') else None,
        Path(value('device')) if value('device') else None,
        planning=bringup.planning(
            value('transition'),
            device=value('policy_device'),
            precision=value('policy_precision'),
        ),
    )


def generate_launch_description():
    """All of it."""
    return launching.description(ARGUMENTS, _graph)
