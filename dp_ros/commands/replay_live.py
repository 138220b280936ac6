"""dp-ros replay: a recorded episode through real topics, the policy at work, the arm not."""

from pathlib import Path

from rich.console import Console

from dp_ros import bringup
from dp_ros.data.bag import open_bag
from dp_ros.learning.checkpoint_folder import require_files
from dp_ros.ros_process import free_domain
from dp_ros.running import running

START_S = 90.0


def run(
    bag: Path,
    checkpoint: Path,
    robot: Path | None,
    speed: float,
    out: Path,
    console: Console,
    transition: str = '',
) -> None:
    """Play `bag`; task and robot are those that it was recorded with, unless `robot` is given.

    Raises BagError, yamlfile.ConfigError or GraphError.
    """
    require_files(checkpoint)
    with open_bag(bag) as opened:
        seconds = opened.seconds
    planning = bringup.planning(transition)
    graph = bringup.replay(bag, checkpoint, out, robot, speed, planning=planning)
    domain = free_domain()
    console.print(
        f'starting {", ".join(p.name for p in graph)} (dry run: nothing moves), '
        f'ROS_DOMAIN_ID={domain}; logs in {out / "logs"}'
    )
    with running(graph, out / 'logs', domain) as processes:
        processes.wait(START_S + 2 * seconds / speed)
    console.print(f'written: {out / "replay.json"}')
