"""dp-ros latency: how far each camera's stamps lie behind its captures, into the robot file."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dp_ros import bringup
from dp_ros.commands import robot_edit
from dp_ros.commands.demo import free_address
from dp_ros.robot import Robot, load_robot
from dp_ros.ros_process import free_domain, shared_domain
from dp_ros.running import running

START_S = 60.0
# Below this the camera has hardly seen the arm move, and its latency is a guess.
LOWEST_AGREEMENT = 0.6
# A stamp that lies further before its capture is that of another clock.
EARLIEST_S = -0.02


def run(robot: Path, out: Path, seconds: float, attach: bool, dry: bool, console: Console) -> None:
    """Measure the cameras of `robot` and write the latencies into that file, unless `dry`.

    attach: use the executor and the cameras that run already. Raises ValueError where a camera saw
    too little, GraphError or OSError.
    """
    settings = load_robot(robot)
    if not settings.cameras:
        raise ValueError(f'{robot} names no cameras; there is nothing to measure')
    address = free_address() if settings.simulated and not attach else settings.arm.address
    figures = out / 'latency.json'
    figures.unlink(missing_ok=True)
    graph = bringup.latency(robot.resolve(), settings, figures.resolve(), seconds, address, attach)
    console.print(
        f'the arm at {address} is about to move its tip by 3 cm around where it stands, for '
        f'{seconds:.0f} s; cameras: {", ".join(settings.cameras)}'
    )
    domain = shared_domain() if attach else free_domain()
    with running(graph, out / 'logs', domain) as processes:
        processes.wait(START_S + seconds)
    found = json.loads(figures.read_text(encoding='utf-8'))
    console.print(table(found, settings))
    blind = [name for name, row in found.items() if row['agreement'] < LOWEST_AGREEMENT]
    if blind:
        raise ValueError(
            f'{", ".join(blind)}: what the camera saw hardly agrees with the motion of the arm; '
            f'see that it looks at the arm or at something that moves with it, or measure longer '
            f'(--seconds). Nothing was written.'
        )
    early = [name for name, row in found.items() if row['latency_s'] < EARLIEST_S]
    if early:
        raise ValueError(
            f'{", ".join(early)}: stamped before what it saw had happened; see that the clocks of '
            f'camera and robot agree. Nothing was written.'
        )
    if dry:
        return
    write(robot, {row['topic']: max(0.0, row['latency_s']) for row in found.values()})
    console.print(f'written to {robot}')


def table(figures: dict[str, Any], robot: Robot) -> Table:
    """The figures as a table."""
    made = Table(title='Header stamp behind the capture')
    for heading in ('camera', 'before', 'measured', 'agreement', 'frames'):
        made.add_column(heading, justify='left' if heading == 'camera' else 'right')
    for name, row in figures.items():
        before = robot.latencies_s.get(row['topic'], 0.0)
        made.add_row(
            name,
            f'{before * 1e3:.0f} ms',
            f'{row["latency_s"] * 1e3:.1f} ms',
            f'{row["agreement"]:.2f}',
            str(row['frames']),
        )
    return made


def write(path: Path, latencies_s: dict[str, float]) -> None:
    """Set latencies in a robot file and leave the rest of it, comments too, as it is."""

    def change(content: Any) -> None:
        known = content.setdefault('latencies_s', {})
        known.update({topic: round(value, 4) for topic, value in latencies_s.items()})

    robot_edit.edit(path, change)
