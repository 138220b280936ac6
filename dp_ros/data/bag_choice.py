"""Which bags go into a data set, and the task and robot that they all were recorded with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dp_ros.data import episode as episodes
from dp_ros.data.bag_repair import BagError
from dp_ros.data.replay_buffer import DatasetError
from dp_ros.robot import Robot
from dp_ros.task import Task


@dataclass(frozen=True)
class Chosen:
    """The bags, and what they are read with; thrown_away: bags in a trash that were passed by."""

    bags: tuple[Path, ...]
    task: Task
    robot: Robot
    thrown_away: int


def choose(paths: Sequence[Path], task: Task | None, robot: Robot | None) -> Chosen:
    """The bags at or in `paths`, with the task and robot given, or else those of the first bag.

    Raises BagError where there is none or its episode.yaml is missing, ConfigError where that is
    damaged, DatasetError where two bags were recorded with different tasks or robots.
    """
    bags = episodes.find_episodes(paths)
    trash = sum(sum(1 for _ in (path / episodes.TRASH).glob('*/')) for path in paths)
    if task is None or robot is None:
        recorded = [_recorded(bag) for bag in bags]
        task = task or _agreed_task(bags, [task for task, _ in recorded])
        robot = robot or _agreed_robot(bags, [robot for _, robot in recorded], task)
    robot.require_cameras(task, 'the robot file')
    return Chosen(tuple(bags), task, robot, trash)


def _recorded(bag: Path) -> tuple[Task, Robot]:
    if not (bag / episodes.FILE).exists():
        raise BagError(f'{bag} has no {episodes.FILE}; give --task and --robot')
    return episodes.settings(bag)


def _agreed_task(bags: Sequence[Path], tasks: Sequence[Task]) -> Task:
    for bag, task in zip(bags, tasks, strict=True):
        difference = tasks[0].difference(task)
        if difference:
            raise DatasetError(
                f'{bags[0]} and {bag} were recorded for different tasks: {difference}. Build a '
                f'set of each, or read all of them by one --task'
            )
    return tasks[0]


def _agreed_robot(bags: Sequence[Path], robots: Sequence[Robot], task: Task) -> Robot:
    wanted = _relevant(robots[0], task)
    for bag, robot in zip(bags, robots, strict=True):
        for name, found in _relevant(robot, task).items():
            if found != wanted[name]:
                raise DatasetError(
                    f'{bags[0]} and {bag} were recorded with different robots: {name}: '
                    f'{wanted[name]!r} against {found!r}. Build a set of each, or read all of '
                    f'them by one --robot'
                )
    return robots[0]


def _relevant(robot: Robot, task: Task) -> dict[str, Any]:
    """Field -> value of what decides the meaning of a bag's messages for `task`."""
    found: dict[str, Any] = {
        'arm.driver': robot.arm.driver,
        'arm.joints': robot.arm.joints,
        'arm.tcp_offset': robot.arm.tcp_offset,
    }
    for stream in task.observations:
        found[f'latencies_s.{stream.topic}'] = robot.latencies_s.get(stream.topic, 0.0)
    for stream in task.cameras:
        camera = robot.cameras.get(stream.name)
        for name in ('width', 'height', 'jpeg'):
            found[f'cameras.{stream.name}.{name}'] = getattr(camera, name, None)
    return found
