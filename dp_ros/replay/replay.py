"""One lock-step replay, from the folders of a bag and a checkpoint to all that came of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from dp_ros.data import episode as episodes
from dp_ros.data.bag import Recorded, open_bag
from dp_ros.learning import checkpoint
from dp_ros.learning.engines import make_engine
from dp_ros.learning.planner import Planner
from dp_ros.replay import comparison, lockstep, recording
from dp_ros.replay.comparison import Measure
from dp_ros.replay.injection import Injection
from dp_ros.replay.lockstep import Lockstep, Outcome
from dp_ros.replay.recording import Recording
from dp_ros.robot import Robot
from dp_ros.task import Task

Progress = Callable[[int, int], None]
# What references were made with, whatever robots do.
SWITCH = 'switch'


@dataclass(frozen=True)
class Declared:
    """What is fixed by declaration: the seed of the noise, the time that a prediction takes.

    transition: how a chunk takes over from the one before (learning/transition.py).
    """

    seed: int = 0
    processing_ns: int = 60_000_000
    injection: Injection = field(default_factory=Injection)
    transition: str = SWITCH


@dataclass(frozen=True)
class Replay:
    """A replay, and what it is compared with. bag: name of its folder."""

    bag: str
    checkpoint: str
    identity: str
    task: Task
    robot: Robot
    declared: Declared
    recording: Recording
    outcome: Outcome
    measures: tuple[Measure, ...]


def run(
    bag_folder: Path,
    checkpoint_folder: Path,
    declared: Declared,
    progress: Progress = lambda _done, _total: None,
) -> Replay:
    """Replay a bag; the task and the robot are those that were recorded with it.

    progress: called with the messages done and their total. Raises BagError, CheckpointError,
    ConfigError, or ValueError where bag and checkpoint do not fit.
    """
    task, robot = episodes.settings(bag_folder)
    loaded = checkpoint.load(checkpoint_folder)
    loaded.require(task, str(bag_folder / episodes.FILE))
    # More threads would add up floating-point numbers in another order each time.
    torch.set_num_threads(1)
    with open_bag(bag_folder) as bag:
        wanted = lockstep.topics(bag, task, robot)
        recorded = recording.read(bag, task)
        engine = make_engine(loaded.policy, transition=declared.transition)
        planner = Planner(task, engine, declared.seed)
        loop = Lockstep(task, robot, planner, declared.processing_ns, declared.injection)
        total = sum(bag.counts[topic] for topic in wanted)
        watched = _watched(bag.messages(wanted), total, progress)
        outcome = loop.run(watched, recorded.stretches)
    measures = comparison.compare(outcome.planned, recorded, task)
    return Replay(
        bag_folder.resolve().name,
        loaded.name,
        loaded.identity,
        task,
        robot,
        declared,
        recorded,
        outcome,
        measures,
    )


def _watched(messages: Iterable[Recorded], total: int, progress: Progress) -> Iterator[Recorded]:
    for done, message in enumerate(messages, 1):
        progress(done, total)
        yield message
