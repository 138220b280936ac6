"""What stands beside a bag (episode.yaml), and how episodes are numbered and kept."""

import re
import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dp_ros import atomic, yamlfile
from dp_ros.data.bag_repair import BagError

FILE = 'episode.yaml'
TRASH = 'trash'
_NAME = re.compile(r'episode_(\d+)')


class Episode(yamlfile.Settings):
    """The circumstances of one episode; `task` and `robot` are the files as they were then."""

    outcome: Literal['success', 'failure', 'unknown'] = 'unknown'
    operator: str = ''
    started_ns: int = Field(ge=0, description='ROS time')
    ended_ns: int | None = Field(default=None, description='None: it was not closed')
    counts: dict[str, int] = Field(default_factory=dict, description='messages by topic')
    dropped: dict[str, int] = Field(default_factory=dict)
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
