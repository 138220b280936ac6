"""The demo's graph under `ros2 launch`: the processes of dp_ros/bringup.py, nothing else."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument

from dp_ros import bringup, launching

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
    launching.transition(),
    *launching.computing(),
    DeclareLaunchArgument(
        'added_latency_ms', default_value='0', description='experiment: chunks come so much later'
    ),
    DeclareLaunchArgument(
        'wait',
        default_value='false',
        choices=['true', 'false'],
        description='experiment: the arm stands while the policy thinks',
    ),
]


def _graph(value):
    return bringup.demo(
        Path(value('out')),
        int(value('episodes')),
        int(value('seed')),
        value('video') == 'true',
        policy=bringup.shipped(value('policy')),
        address=value('address'),
        series=value('series'),
        rate_hz=int(value('rate_hz')),
        planning=bringup.planning(
            value('transition'),
            float(value('added_latency_ms')),
            value('wait') == 'true',
            value('policy_device'),
            value('policy_precision'),
        ),
    )


def generate_launch_description():
    """All of it."""
    return launching.description(ARGUMENTS, _graph)
