"""Samples a second in training: `python -m benchmarks.training [--seconds 30]`.

Our loop beside one as the original project has it (reference_training.py), in turn, with the same
network, normalisers and batch; one thread. Other programs disturb the time of a step more than its
CPU time, in which the processes that read frames ahead are not counted. Waiting: the share of a
step in which no data had come yet; ours reads frames from disk, as `dp-ros train` does, in
`--workers` processes ahead of time.

Then the peak memory of either loop, each in a process of its own, with a set and one ten times as
long: the reference holds it, ours reads it.
"""

import resource
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import parts, reference_training, report
from benchmarks.report import Headline, Result
from dp_ros import yamlfile
from dp_ros.data import recordings, replay_buffer
from dp_ros.data.recordings import Recordings
from dp_ros.data.replay_buffer import Episode
from dp_ros.data.windows import Windows, sample_windows
from dp_ros.learning.batches import Examples
from dp_ros.learning.chance import Draw
from dp_ros.learning.job import Machine, Progress
from dp_ros.learning.loop import run
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.learning.train import PolicyJob
from dp_ros.paths import share
from dp_ros.ros_process import free_domain
from dp_ros.task import Task, load_task

TASKS = {'state': 'pusht_gym', 'image': 'pusht_cell_image'}
VISION = {'state': None, 'image': {'kind': 'small', 'brightness': 0.0}}
BATCH = 64
EPISODE_STEPS = 100
EPISODES = 5
FORGOTTEN = 3  # the first steps start everything
ROUNDS = 2
NEVER = 10**9
MEGABYTE = 1e6


class Enough(Exception):
    """The time is up."""


@dataclass
class Steps:
    """Seconds of each step, of these the ones in which it waited for data, and its CPU seconds."""

    seconds: float
    taken: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    _cpu_before: float = field(default_factory=time.process_time)
    _until: float = 0.0

    def add(self, taken: float, waited: float) -> None:
        """One more; raises Enough `seconds` after the first ones, which start everything."""
        self.taken.append(taken)
        self.waited.append(waited)
        now = time.process_time()
        self.cpu.append(now - self._cpu_before)
        self._cpu_before = now
        if len(self.taken) == FORGOTTEN:
            self._until = time.perf_counter() + self.seconds
        if len(self.taken) > FORGOTTEN and time.perf_counter() > self._until:
            raise Enough

    @property
    def share_waited(self) -> float:
        """Of the time, without the first steps."""
        return sum(self.waited[FORGOTTEN:]) / sum(self.taken[FORGOTTEN:])


class TimedJob(PolicyJob):
    """Notes when a step's data was there."""

    def __init__(self, policy: DiffusionPolicy, windows: Windows, steps: Steps) -> None:
        super().__init__(policy, windows, windows)
        self._steps, self._begun = steps, time.perf_counter()
        self._came = self._begun

    def loss(self, examples: Examples, draw: Draw) -> Tensor:
        self._came = time.perf_counter()
        return super().loss(examples, draw)

    def told(self, progress: Progress) -> None:
        """A step is done."""
        now = time.perf_counter()
        taken, waited = now - self._begun, self._came - self._begun
        self._begun = now
        self._steps.add(taken, waited)


def ours(kind: str, known: Recordings, seconds: float, workers: int) -> Steps:
    """Our loop for `seconds`."""
    task = load_task(share('config', 'tasks', f'{TASKS[kind]}.yaml'))
    windows = sample_windows(known.episodes, task.horizons, known)
    steps = Steps(seconds)
    job = TimedJob(_policy(kind, task, windows), windows, steps)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            run(job, Path(scratch), Machine(workers=workers), job.told)
        except Enough:
            return steps
    raise RuntimeError('the recipe ended before the time')


def reference(kind: str, known: Recordings, seconds: float) -> Steps:
    """The reference for `seconds`."""
    task = load_task(share('config', 'tasks', f'{TASKS[kind]}.yaml'))
    windows = sample_windows(known.episodes, task.horizons)
    frames = {name: store.read(np.arange(len(store))) for name, store in known.frames.items()}
    dataset = reference_training.ReplayDataset(known.episodes, frames, task.horizons)
    policy = _policy(kind, task, windows)
    steps = Steps(seconds)
    try:
        reference_training.train(policy, dataset, BATCH, steps.add)
    except Enough:
        return steps
    raise AssertionError('the reference goes on for ever')


def _policy(kind: str, task: Task, windows: Windows) -> DiffusionPolicy:
    given = {
        'network': {'kind': 'unet', 'widths': [32, 64, 128], 'step_embedding': 64},
        'features': {'kind': 'plain'},
        'vision': VISION[kind],
        'diffusion': {'prediction': 'epsilon'},
        'optimiser': {'steps': NEVER, 'batch': BATCH},
        'validate_every': NEVER,
        'save_every': NEVER,
    }
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, yamlfile.parse(Recipe, given, 'benchmark'))
    policy.fit(torch.from_numpy(windows.observations), torch.from_numpy(windows.actions))
    return policy.train()


def write_set(path: Path, kind: str, episodes: int, length: int = EPISODE_STEPS) -> None:
    """Random walks of `length` steps, and frames of a drifting pattern where the task sees any."""
    task = load_task(share('config', 'tasks', f'{TASKS[kind]}.yaml'))
    rng = np.random.default_rng(0)
    films = {
        camera.name: np.stack([
            np.frombuffer(data, np.uint8).reshape(*camera.size[::-1], 3)
            for data in parts.frames(*camera.size)
        ])
        for camera in task.cameras
    }  # fmt: skip

    def walk(width: int) -> replay_buffer.Array:
        steps = rng.normal(0, 1, (length, width))
        return (100 + np.cumsum(steps, axis=0)).astype(np.float32)

    shown = np.arange(length) % parts.DISTINCT
    replay_buffer.write(
        path,
        (
            Episode(
                walk(task.observation_dim),
                walk(task.action_dim),
                {name: film[shown] for name, film in films.items()},
            )
            for _ in range(episodes)
        ),
        task.cameras,
    )


def read_set(path: Path, kind: str) -> Recordings:
    """The set, as `dp-ros train` reads it."""
    return recordings.read([path], load_task(share('config', 'tasks', f'{TASKS[kind]}.yaml')))


def compare(kind: str, seconds: float, workers: int) -> dict[str, float]:
    """Samples a second of both loops, in turn; shares of the time spent waiting for data."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / 'set.zarr'
        write_set(path, kind, EPISODES)
        known = read_set(path, kind)
        mine, theirs = [], []
        for _ in range(ROUNDS):
            mine.append(ours(kind, known, seconds / ROUNDS, workers))
            theirs.append(reference(kind, known, seconds / ROUNDS))
    found = {}
    for name, rounds in (('ours', mine), ('reference', theirs)):
        taken = [step for steps in rounds for step in steps.taken[FORGOTTEN:]]
        spent = [step for steps in rounds for step in steps.cpu[FORGOTTEN:]]
        found[f'{name}_per_s'] = BATCH / float(np.median(taken))
        found[f'{name}_per_cpu_s'] = BATCH / float(np.median(spent))
        found[f'{name}_steps'] = len(taken)
        found[f'{name}_waiting'] = float(np.mean([steps.share_waited for steps in rounds]))

    return {name: round(value, 4) for name, value in found.items()}


def peak_mb(loop: str, times: int, folder: Path) -> float:
    """Peak memory [MB] of a process that learns from an image set of `times` the length."""
    path = folder / f'{times}.zarr'
    if not path.exists():
        write_set(path, 'image', EPISODES * times)
    with parts.part('training', ['--peak', loop, '--set', str(path)], free_domain()) as process:
        peak = float(parts.answer(process, 'peak'))
        process.wait()
        return peak


def main() -> None:
    """Measure, and tell."""
    options = report.options(__doc__, 30.0)
    options.add_argument('--workers', type=int, default=2, help='processes that read frames')
    options.add_argument('--threads', type=int, default=1, help='of torch')
    options.add_argument('--peak', choices=['ours', 'reference'], help='(its own)')
    options.add_argument('--set', type=Path, help='(its own)')
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    if given.peak:
        known = read_set(given.set, 'image')
        if given.peak == 'ours':
            ours('image', known, 0.0, 0)
        else:
            reference('image', known, 0.0)
        print(f'peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE:.0f}')
        return
    seconds = min(given.seconds, 16.0) if given.quick else given.seconds
    about = report.machine()
    speeds = {kind: compare(kind, seconds, given.workers) for kind in TASKS}
    peaks: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for loop in ('ours', 'reference'):
            peaks[loop] = {times: peak_mb(loop, times, Path(scratch)) for times in (1, 10)}
    rows, headlines = [], []
    for kind, found in speeds.items():
        for unit in ('s', 'cpu_s'):
            both = [found[f'{loop}_per_{unit}'] for loop in ('ours', 'reference')]
            mine, theirs = (f'{speed:.0f}' for speed in both)
            name = 'samples/s' if unit == 's' else 'samples a CPU second of the process'
            rows.append([f'{kind}: {name}', mine, theirs, f'{both[0] / both[1]:.2f}'])
        waits = [f'{found[f"{loop}_waiting"]:.1%}' for loop in ('ours', 'reference')]
        rows.append([f'{kind}: waiting for data', *waits, ''])
        headlines.append(
            Headline(
                f'training from {kind}, samples a CPU second',
                f'{mine}, waiting {waits[0]}',
                theirs,
            )
        )
    for times in (1, 10):
        both = [peaks[loop][times] for loop in ('ours', 'reference')]
        rows.append([
            f'image: peak memory, {times * EPISODES * EPISODE_STEPS} steps [MB]',
            *(f'{peak:.0f}' for peak in both), f'{both[0] / both[1]:.2f}',
        ])  # fmt: skip
    grown = {loop: peak[10] - peak[1] for loop, peak in peaks.items()}
    headlines.append(
        Headline('memory of a set ten times as long',
                 *(f'{grown[loop]:+.0f} MB' for loop in ('ours', 'reference')))
    )  # fmt: skip
    report.publish(
        Result(
            'training',
            f'Training a U-Net (32, 64, 128), batch {BATCH}, threads: {given.threads}, processes '
            f'that read: {given.workers}',
            "the original project's loop: replay buffer in memory, DataLoader in the process, "
            'DDPMScheduler of diffusers, AdamW, average after each step',
            ('', 'ours', 'reference', 'ratio'),
            rows,
            headlines,
            {'speeds': speeds, 'peak_mb': peaks, 'threads': given.threads},
        ),
        about,
    )


if __name__ == '__main__':
    sys.exit(main())
