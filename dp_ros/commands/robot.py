"""dp-ros robot: the graph of a real arm, as robot.launch.py starts it; and calls to its arm."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from dp_ros import bringup
from dp_ros.commands.ending import asked_to_end
from dp_ros.core.backoff import Backoff
from dp_ros.learning.checkpoint_folder import require_files
from dp_ros.ros_process import environment, shared_domain
from dp_ros.running import running

LOOK_PERIOD_S = 0.2
ArmCall = Literal['arm', 'hold', 'recover', 'release']


def run(
    robot: Path,
    task: Path,
    checkpoint: Path | None,
    device: Path | None,
    planning: Mapping[str, Any],
    out: Path,
    console: Console,
) -> None:
    """Run it until Ctrl-C; raises GraphError where a process is lost, or a sentence for a file."""
    if checkpoint is not None:
        require_files(checkpoint)
    graph = bringup.robot(robot, task, checkpoint, device, planning)
    # Other programs shall find it: no domain of its own.
    domain = shared_domain()
    console.print(
        f'starting {", ".join(p.name for p in graph)}; ROS_DOMAIN_ID={domain}; logs in '
        f'{out / "logs"}. Nothing moves before it is armed.\n'
        f'In other terminals: dp-ros top (how it is), dp-ros arm, dp-ros hold; Ctrl-C here ends '
        f'all.',
        soft_wrap=True,
    )

    def tell(text: str) -> None:
        console.print(Text(text, 'yellow'), soft_wrap=True)

    with (
        asked_to_end() as ending,
        running(graph, out / 'logs', domain, Backoff(), tell) as processes,
    ):
        while not ending:
            processes.check()
            time.sleep(LOOK_PERIOD_S)
    console.print('everything has stopped')


def call(what: ArmCall, console: Console) -> None:
    """Ask the executor of this ROS domain; raises CallError in its own words."""
    os.environ.update(environment())
    from dp_ros.nodes.arm_calls import connected

    with connected(shared_domain()) as calls:
        console.print(getattr(calls, what)(), soft_wrap=True)
