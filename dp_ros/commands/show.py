"""dp-ros dataset show: one episode, of a bag or of a data set, as a picture or for rerun."""

from pathlib import Path

from rich.console import Console

from dp_ros.commands import show_picture, show_rerun
from dp_ros.commands.audit import circumstances
from dp_ros.data.bag_repair import BagError
from dp_ros.data.story import from_bag as story_bag
from dp_ros.data.story import from_set as story_set
from dp_ros.robot import Robot, load_robot
from dp_ros.task import Task, load_task

FRAMES = 8


def run(
    path: Path,
    number: int | None,
    out: Path | None,
    rerun: bool,
    task_file: Path | None,
    robot_file: Path | None,
    console: Console,
) -> None:
    """Draw the bag `path`, or episode `number` of the set `path`; to `out`, a .png.

    Task and robot of a bag default to those that it was recorded with. Raises BagError,
    DatasetError, ConfigError, and ImportError where rerun is not installed.
    """
    name = path.resolve().name if number is None else f'{path.resolve().stem}_{number}'
    out = out or Path('out/show') / f'{name}.png'
    if out.suffix != '.png':
        raise ValueError(f'{out}: expected a name that ends with .png')
    if rerun:
        show_rerun.require()
    if number is not None:
        show_picture.draw(story_set.read(path, number, FRAMES), out)
    else:
        used = _circumstances(path, task_file, robot_file)
        show_picture.draw(story_bag.read(path, *used, FRAMES), out)
    console.print(str(out), soft_wrap=True)
    if rerun:
        recording = out.with_suffix('.rrd')
        if number is not None:
            show_rerun.write_set(path, number, recording)
        else:
            show_rerun.write_bag(path, *used, recording)
        console.print(f'{recording}; look at it with: rerun {recording}', soft_wrap=True)


def _circumstances(
    path: Path, task_file: Path | None, robot_file: Path | None
) -> tuple[Task, Robot]:
    if (path / '.zgroup').exists() or (path / 'zarr.json').exists():
        raise BagError(f'{path} is a data set; say which episode of it: --episode 0')
    if not path.is_dir():
        raise BagError(f'{path}: no such bag')
    task = load_task(task_file) if task_file else None
    robot = load_robot(robot_file) if robot_file else None
    return circumstances(path, task, robot)
