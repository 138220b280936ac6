"""dp-ros dataset export and import: data sets of and for LeRobot, diffusion_policy and UMI."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dp_ros.data import key_map, replay_buffer
from dp_ros.data.foreign import Reading
from dp_ros.data.lerobot import layout as lerobot
from dp_ros.data.lerobot import read as lerobot_read
from dp_ros.data.lerobot import write as lerobot_write
from dp_ros.data.replay_buffer import DatasetError, Episode
from dp_ros.data.umi import read as umi
from dp_ros.data.umi import write as umi_write
from dp_ros.task import load_task


def export_set(
    source: Path, out: Path, task_file: Path, form: str, full_colour: bool, console: Console
) -> None:
    """The data set `source` of a task as a lerobot, diffusion_policy or umi set at `out`."""
    task = load_task(task_file)
    _check_free(out, form)
    found = umi.read(source, task)
    episodes = _progress(found, console)
    if form == 'lerobot':
        storage = lerobot.Storage(full_colour=full_colour)
        count = lerobot_write.write(out, episodes, task, storage)
    else:
        write = umi_write.write_umi if form == 'umi' else umi_write.write_diffusion_policy
        count = write(out, episodes, task)
    console.print(f'{count} episodes as {form}: {out}')
    _tell_left_out(found, console)


def import_set(
    source: Path,
    out: Path,
    task_file: Path,
    form: str,
    mapping: Iterable[str],
    next_actions: bool,
    console: Console,
) -> None:
    """A foreign data set as one of ours; `form` is lerobot, diffusion_policy, umi or auto."""
    task, given = load_task(task_file), key_map.parse(mapping)
    _check_free(out, 'diffusion_policy')
    if form == 'auto':
        form = _recognised(source)
    reader = lerobot_read.read if form == 'lerobot' else umi.read
    found = reader(source, task, given, next_actions)
    count = replay_buffer.write(out, _progress(found, console), task.cameras)
    console.print(f'{count} episodes of {form}: {out}')
    if found.tasks:
        console.print(f'what was to be done: {"; ".join(found.tasks)}', markup=False)
    _tell_left_out(found, console)


def _recognised(source: Path) -> str:
    if lerobot.is_lerobot(source):
        return 'lerobot'
    if umi.is_replay_buffer(source):
        return 'diffusion_policy'
    raise DatasetError(
        f'{source} is neither a LeRobotDataset (a folder with {lerobot.INFO}) nor a replay buffer '
        f'of diffusion_policy or UMI (a zarr folder or a .zarr.zip)'
    )


def _check_free(out: Path, form: str) -> None:
    """Only a data set is ever written over, and only by one of its kind."""
    same = lerobot.is_lerobot if form == 'lerobot' else umi.is_replay_buffer
    empty = out.is_dir() and not any(out.iterdir())
    if out.exists() and not empty and not same(out):
        raise DatasetError(f'{out} exists and is no data set of this format: choose another path')


def _progress(found: Reading, console: Console) -> Iterator[Episode]:
    columns = (TextColumn('episodes'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        yield from bar.track(found.episodes, total=found.count)


def _tell_left_out(found: Reading, console: Console) -> None:
    if found.left_out:
        console.print(f'left out: {", ".join(found.left_out)}', markup=False)
