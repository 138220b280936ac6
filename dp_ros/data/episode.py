"""What stands beside a bag (episode.yaml), and how episodes are numbered and kept."""

import re
import shutil
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dp_ros import atomic, yamlfile
from dp_ros.data.bag_repair import METADATA, BagError
from dp_ros.data.gaps import Gaps
from dp_ros.robot import Robot
from dp_ros.task import Task

FILE = 'episode.yaml'
TRASH = 'trash'
_NAME = re.compile(r'episode_(\d+)')


class Frames(str, Enum):
    """How the frames of raw image topics are stored: data/frame_codec.py."""

    raw = 'raw'
    jpeg = 'jpeg'
    h264 = 'h264'


class Episode(yamlfile.Settings):
    """The circumstances of one episode; `task` and `robot` are the files as they were then.

    Where frames are stored as JPEG, `robot` says that its cameras send them: the bag holds what
    such cameras would have sent.
    """

    outcome: Literal['success', 'failure', 'unknown'] = 'unknown'
    operator: str = ''
    started_ns: int = Field(ge=0, description='ROS time')
    ended_ns: int | None = Field(default=None, description='None: it was not closed')
    frames: Frames = Field(default=Frames.raw, description='as raw image topics are stored')
    counts: dict[str, int] = Field(default_factory=dict, description='messages by topic')
    dropped: dict[str, int] = Field(
        default_factory=dict, description='received, but not written: the disk was too slow'
    )
    missed: dict[str, int] = Field(
        default_factory=dict, description='sent, but not received: gaps in the sequence numbers'
    )
    gaps: dict[str, Gaps] = Field(default_factory=dict, description='by time of arrival')
    note: str = Field(default='', description='why it ended before its time')
    revision: str = Field(default='', description='of the git work tree that recorded it')
    checkpoint: str = Field(default='', description='identity of the policy, if one ran')
    task: dict[str, Any]
    robot: dict[str, Any]


def save(episode: Episode, folder: Path) -> None:
    """Write episode.yaml, whole or not at all."""
    atomic.write_text(folder / FILE, yamlfile.dump(episode))


def load(folder: Path) -> Episode:
    """Read it; raises BagError where there is none, yamlfile.ConfigError where it is damaged."""
    if not (folder / FILE).exists():
        raise BagError(f'{folder} has no {FILE}; it was not recorded by dp_ros')
    return yamlfile.load(Episode, folder / FILE)


def settings(folder: Path) -> tuple[Task, Robot]:
    """The task and the robot of an episode, as they were; raises BagError and ConfigError."""
    found = load(folder)
    place = folder / FILE
    return (
        yamlfile.parse(Task, found.task, f'{place}: task'),
        yamlfile.parse(Robot, found.robot, f'{place}: robot'),
    )


def write_settings(folder: Path, into: Path) -> tuple[Path, Path]:
    """The same as files that a process can be given: task.yaml and robot.yaml in `into`."""
    into.mkdir(parents=True, exist_ok=True)
    paths = into / 'task.yaml', into / 'robot.yaml'
    for path, value in zip(paths, settings(folder), strict=True):
        atomic.write_text(path, yamlfile.dump(value))
    return paths


def find_episodes(paths: Iterable[Path]) -> list[Path]:
    """The bags among `paths` and in folders among them, each once; those in a trash are left out.

    Raises BagError where a path is, or holds, no bag; and where others lie deeper in it, which
    nobody would miss.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else []
        bags = [path] if _is_bag(path) else [p for p in inside if p.name != TRASH and _is_bag(p)]
        if not bags:
            raise BagError(
                f'{path} is no bag and holds none; expected a folder with {METADATA} or a .mcap '
                f'file, or a folder of such folders'
            )
        for folder in inside:
            if not _is_bag(path) and folder.name != TRASH and _holds_bags(folder):
                raise BagError(
                    f'{folder} holds bags, too, and only those directly in {path} would be taken: '
                    f'give both folders, or {path}/episode_* for those alone'
                )
        found += bags
    return list({bag.resolve(): bag for bag in found}.values())


def _is_bag(path: Path) -> bool:
    return path.is_dir() and ((path / METADATA).exists() or any(path.glob('*.mcap')))


def _holds_bags(folder: Path) -> bool:
    return folder.is_dir() and not _is_bag(folder) and any(map(_is_bag, folder.iterdir()))


def next_folder(root: Path) -> Path:
    """The folder of the next episode: one more than the highest number, thrown away ones too."""
    places = [root, root / TRASH]
    names = [p.name for place in places if place.is_dir() for p in place.iterdir()]
    numbers = [int(found[1]) for name in names if (found := _NAME.match(name))]
    return root / f'episode_{max(numbers, default=0) + 1:04d}'


def discard(folder: Path) -> Path:
    """Move an episode to the trash beside it; nothing is deleted. Returns where it is now."""
    trash = folder.parent / TRASH
    trash.mkdir(exist_ok=True)
    target = trash / folder.name
    count = 1
    while target.exists():
        count += 1
        target = trash / f'{folder.name}_{count}'
    shutil.move(folder, target)
    return target


def disk_left(root: Path) -> int:
    """Free bytes where episodes go."""
    return shutil.disk_usage(root).free
