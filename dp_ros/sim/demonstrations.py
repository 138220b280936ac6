"""Demonstrations by the scripted expert, and its corrections of a policy's mistakes."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import numpy as np

from dp_ros.sim.environment import PushTCell
from dp_ros.sim.expert import Expert
from dp_ros.sim.pusht import SUCCESS_COVERAGE, block_outline, sample_start
from dp_ros.sim.rollout import Environment, LockStep, Plan
from dp_ros.task import Horizons

STEP_LIMIT = 400
"""An expert that needs longer has failed: 40 s at 10 Hz."""

_EXPERT_STREAM = 1  # the start is drawn from the seed itself, the expert from (seed, 1)
_LEAD_STEPS = (10, 400)
_STUCK_STEPS = 30
_STUCK_M = 0.004


@dataclass(frozen=True)
class Episode:
    """One recorded episode of n steps.

    state: (n, 5) float32, the observation at each step (tcp x y, block x y yaw).
    action: (n, 2) float32, the waypoint decided at that step and reached at the next.
    qpos: (n, 13), arm and T at each step, as Cell.qpos is.
    seed, side: the start's seed; the side the expert's first way took (+1 counter-clockwise).
    coverage_max, iou_last: the score: best part of the goal covered, last IoU.
    """

    state: np.ndarray
    action: np.ndarray
    qpos: np.ndarray
    seed: int
    side: int
    coverage_max: float
    iou_last: float

    @property
    def meta(self) -> dict[str, float | int]:
        """What is stored beside the arrays."""
        return {
            'seed': self.seed, 'side': self.side,
            'coverage_max': self.coverage_max, 'iou_last': self.iou_last,
        }  # fmt: skip


def demonstrate(env: PushTCell, seed: int, noise_m: float = 0.0) -> Episode | None:
    """The expert's episode from the start of `seed`; None when it fails."""
    env.reset(seed)
    return _finish(env, seed, noise_m)


def _finish(
    env: PushTCell, seed: int, noise_m: float, committed: Sequence[np.ndarray] = ()
) -> Episode | None:
    """The expert from where `env` is until it is done; None when it fails.

    committed: actions (2,) that are played before it can do anything.
    """
    expert = Expert(np.random.default_rng((seed, _EXPERT_STREAM)), noise_m)
    observation, best = env.observation, 0.0
    states: list[np.ndarray] = []
    actions: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    while not expert.done:
        if len(states) == STEP_LIMIT:
            return None
        first = len(states) < len(committed)
        action = committed[len(states)] if first else expert.act(observation)
        states.append(observation)
        actions.append(action)
        positions.append(env.cell.qpos)
        observation = env.step(expert.executed(action))
        best = max(best, env.coverage)
    if best < SUCCESS_COVERAGE:
        return None
    state, action = (np.array(values, np.float32) for values in (states, actions))
    return Episode(state, action, np.array(positions), seed, expert.side, best, env.iou)


@dataclass
class Yield:
    """Counts of a run so far: episodes that succeeded and that were dropped."""

    succeeded: int = 0
    failed: int = 0
    failed_seeds: list[int] = field(default_factory=list)

    def note(self, seed: int, episode: Episode | None) -> None:
        if episode is None:
            self.failed += 1
            self.failed_seeds.append(seed)
        else:
            self.succeeded += 1


_worker_env: PushTCell | None = None


def _demonstrate_in_worker(seed: int, noise_m: float) -> Episode | None:
    global _worker_env
    if _worker_env is None:  # a model is compiled once per process
        _worker_env = PushTCell()
    return demonstrate(_worker_env, seed, noise_m)


def starts(seed: int, near_m: float | None = None) -> Iterator[int]:
    """Seeds of episodes from `seed` on, without end.

    near_m: only those where a corner of the T lies nearer to the robot than this [m, x in its base
    frame]. Between the robot and a T at the near edge there is no room for the tool.
    """
    for each in itertools.count(seed):
        block = sample_start(np.random.default_rng(each)).block
        if near_m is None or block_outline(np.array(block))[:, 0].min() < near_m:
            yield each


def generate(
    count: int,
    seed: int,
    workers: int = 1,
    noise_m: float = 0.0,
    counts: Yield | None = None,
    near_m: float | None = None,
) -> Iterator[Episode]:
    """`count` successful demonstrations from the starts seed, seed + 1, ..., in that order.

    Failures are dropped and noted in `counts`. With workers > 1, processes are spawned (no fork:
    the caller may hold threads of torch or ROS); the result is the same. near_m: see `starts`.
    """
    counts, seeds = counts or Yield(), starts(seed, near_m)
    if workers <= 1:
        yield from _first(count, seeds, noise_m, map, counts)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context('spawn')) as pool:
        yield from _first(count, seeds, noise_m, pool.map, counts)


def _first(
    count: int,
    seeds: Iterator[int],
    noise_m: float,
    over: Callable[..., Iterator[Episode | None]],
    counts: Yield,
) -> Iterator[Episode]:
    left = count
    while left:
        some = list(itertools.islice(seeds, left))
        for used, episode in zip(some, over(_demonstrate_in_worker, some, [noise_m] * left)):
            counts.note(used, episode)
            if episode is not None:
                left -= 1
                yield episode


def correct(
    world: Environment,
    cell: PushTCell,
    plan: Plan,
    horizons: Horizons,
    count: int,
    seed: int,
    counts: Yield | None = None,
    delay_steps: int = 0,
    pins: bool = False,
    near_m: float | None = None,
) -> Iterator[Episode]:
    """`count` takeovers: the policy runs for a while or until stuck, then the expert finishes.

    Only the expert's steps are kept (DAgger: Ross et al. 2011, here with one switch per episode,
    as HG-DAgger's takeovers, Kelly et al. 2019). The policy sees `world`, the expert `cell`, which
    is the same one with the truth. An episode that the policy has solved when its time is up is
    passed over, not counted as failed.

    pins: the policy goes on from what is committed, and shall learn to leave it: the expert takes
    over after the `delay_steps` actions that are played anyway, and they are kept, too. Without
    them, a policy whose arm stands still would only ever see a plan to stand be followed by more
    of it. near_m: see `starts`.
    """
    counts, seeds = counts or Yield(), starts(seed, near_m)
    while count:
        seed = next(seeds)
        rng = np.random.default_rng((seed, 2))
        lock_step = LockStep([world], [world.reset(seed)], plan, horizons, delay_steps)
        if not _lead(lock_step, cell, int(rng.integers(*_LEAD_STEPS))):
            committed = lock_step.committed(0) if pins else ()
            episode = _finish(cell, seed, 0.0, committed)
            counts.note(seed, episode)
            if episode is not None:
                count -= 1
                yield episode


def _lead(policy: LockStep, cell: PushTCell, steps: int) -> bool:
    """Let the policy run for `steps` or until nothing moves; True when it has solved the task."""
    tips = deque([cell.observation[:2]], maxlen=_STUCK_STEPS)
    for _ in range(steps):
        policy.step([0])
        if cell.coverage > SUCCESS_COVERAGE:
            return True
        tips.append(cell.observation[:2])
        if len(tips) == _STUCK_STEPS and np.ptp(tips, axis=0).max() < _STUCK_M:
            return False
    return False
