"""dp-ros teleop: the teleop node in this terminal."""

import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dp_ros.core.teleop import AXES, AxisName
from dp_ros.ros_process import Process, environment
from dp_ros.task import load_task
from dp_ros.teleop_config import KeyboardInput, Teleop, load_teleop

MOTIONS = ('forward', 'left', 'up', 'turn about x', 'turn about y', 'turn about z')


def run(device: Path, task: Path, console: Console) -> None:
    """Become the teleop node, which keeps the terminal; raises ValueError for wrong files.

    It joins the graph of ROS_DOMAIN_ID, or of domain 0.
    """
    settings, free = load_teleop(device), load_task(task).teleoperated_axes
    settings.twist_map(free, str(device))
    console.print(guide(settings, free))
    console.file.flush()
    node = Process('teleop', {'device': device.resolve(), 'task': task.resolve()})
    variables = {**os.environ, **environment()}
    # The mark of the PyPI wheels says that this interpreter found its libraries; the next one must
    # look for itself.
    variables.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    command = node.command()
    os.execve(command[0], command, variables)


def guide(settings: Teleop, free: tuple[bool, ...]) -> Table:
    """What a person may press or push."""
    made = Table(title='Teleoperation; Ctrl-C ends it')
    made.add_column('motion')
    made.add_column('device')
    source = settings.input
    for name, motion, may in zip(AXES, MOTIONS, free, strict=True):
        made.add_row(f'{name}: {motion}', _meaning(settings, name) if may else 'fixed by the task')
    if isinstance(source, KeyboardInput):
        made.add_row('slower, faster', f'{source.slower} {source.faster}')
        made.add_row('give the command back', 'space' if source.let_go == ' ' else source.let_go)
    else:
        made.add_row('command', f'hold button {source.deadman}')
        steps = [str(b) for b in (source.slower, source.faster) if b is not None]
        made.add_row('slower, faster', f'button {" ".join(steps)}' if steps else 'no button')
    return made


def _meaning(settings: Teleop, name: AxisName) -> str:
    source = settings.input
    if isinstance(source, KeyboardInput):
        return ' '.join(source.keys.get(name, ('no key',)))
    axis = source.device_axes[AXES.index(name)]
    return 'no axis' if axis is None else f'axis {axis.index}{" turned" * (axis.scale < 0)}'
