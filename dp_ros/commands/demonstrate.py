"""dp-ros demonstrate: the scripted operator teleoperates the simulated cell, and is recorded."""

from pathlib import Path

from rich.console import Console

from dp_ros import bringup
from dp_ros.commands.demo import free_address
from dp_ros.ros_process import free_domain
from dp_ros.running import running
from dp_ros.task import load_task

START_S = 60.0
# Longest episode, and what is done between two of them.
EPISODE_S = 70.0
# What the expert knows how to do.
TASKS = ('pusht_cell', 'pusht_cell_image')


def run(task: Path, robot: Path, out: Path, episodes: int, seed: int, console: Console) -> None:
    """Record `episodes` into the folder `out`; raises ValueError or GraphError."""
    name = load_task(task).name
    if name not in TASKS:
        raise ValueError(
            f'the scripted operator does {" and ".join(TASKS)}, not {name!r}; a person can: '
            f'dp-ros teleop and dp-ros record'
        )
    graph = bringup.demonstration(
        out, task.resolve(), robot.resolve(), free_address(), episodes, seed
    )
    domain = free_domain()
    console.print(
        f'starting {", ".join(p.name for p in graph)}; ROS_DOMAIN_ID={domain}; logs in '
        f'{out / "logs"}'
    )
    with running(graph, out / 'logs', domain) as processes:
        processes.wait(START_S + episodes * EPISODE_S)
    console.print(f'{episodes} episodes in {out}; next: dp-ros dataset build {out} -o SET')
