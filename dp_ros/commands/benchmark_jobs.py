"""One cell of the delay benchmark: what a worker process does, and the record it hands back."""

import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch

from dp_ros.commands import evaluate
from dp_ros.commands.benchmark_strategies import Added, Strategy
from dp_ros.core.receding import Horizon, StopAndWait
from dp_ros.core.seams import Roughness
from dp_ros.core.stamped import Array, ObservationWindow
from dp_ros.core.stream import CommandStream
from dp_ros.learning import checkpoint
from dp_ros.learning.checkpoint import Checkpoint
from dp_ros.learning.engines import AnyEngine, make_engine
from dp_ros.learning.planner import Planner, receding_horizon
from dp_ros.paths import share
from dp_ros.robot import Robot, load_robot
from dp_ros.sim import delayed_steps
from dp_ros.sim.delayed import DelayedRollout, Latency, Think, Thought
from dp_ros.sim.rollout import rollout
from dp_ros.task import Task

Clock = Literal['wall', 'cpu']
CLOCKS = {'wall': time.perf_counter_ns, 'cpu': time.thread_time_ns}
WARM_UP_CHUNKS = 3


@dataclass(frozen=True)
class Charge:
    """What thinking costs: a declared time, or what `clock` measures."""

    clock: Clock = 'wall'
    inference_ms: float | None = None

    def __str__(self) -> str:
        return self.clock if self.inference_ms is None else f'{self.inference_ms:g} ms'


@dataclass(frozen=True)
class CellJob:
    """One episode in the cell."""

    folder: Path
    strategy: Strategy
    added: Added
    seed: int
    charge: Charge
    limit_s: float
    capture_ms: float = 0.0

    @property
    def key(self) -> dict[str, Any]:
        """What tells its record from others."""
        return {
            'task': 'cell',
            'strategy': self.strategy.name,
            'delay': str(self.added),
            'seed': self.seed,
            'charge': str(self.charge),
            'limit_s': self.limit_s,
            'capture_ms': self.capture_ms,
            'checkpoint': identity(self.folder),
        }

    def run(self) -> dict[str, Any]:
        """The episode; its figures."""
        task = _loaded(self.folder).task
        config, horizon = _robot().stream(task), _horizon(task, self.strategy)
        if self.strategy.waits:
            config = replace(config, patience_ns=config.patience_ns + horizon.period_ns * 30)
        latency = Latency(
            round(self.added.least_ms * 1e6),
            round(self.added.jitter_ms * 1e6),
            round(self.capture_ms * 1e6),
        )
        planner = Planner(task, _engine(self.folder, self.strategy), self.seed)
        think = thinker(planner, self.charge)
        stream = CommandStream(config)
        episode = DelayedRollout(
            _cell(), stream, horizon, think, latency, self.seed, planner.pins
        ).run(self.limit_s)
        return {**self.key, **asdict(episode), 'refused': dict(episode.refused)}


@dataclass(frozen=True)
class GymJob:
    """All episodes of one strategy and delay in gym-pusht."""

    folder: Path
    strategy: Strategy
    delay_steps: int
    seeds: tuple[int, ...]

    @property
    def key(self) -> dict[str, Any]:
        """What tells its record from others."""
        return {
            'task': 'gym',
            'strategy': self.strategy.name,
            'delay': str(self.delay_steps),
            'seeds': list(self.seeds),
            'checkpoint': identity(self.folder),
        }

    def run(self) -> dict[str, Any]:
        """The episodes; their figures."""
        from dp_ros.sim.gym_pusht import GymPushT

        loaded = _loaded(self.folder)
        horizons = loaded.task.horizons
        late = 0 if self.strategy.waits else self.delay_steps
        plan = evaluate.planner(loaded.policy, 0, self.strategy.transition(), late)
        compared = delayed_steps.Compared(plan, horizons, late)
        worlds: list[delayed_steps.Recorded] = []
        waiting: list[delayed_steps.Waiting] = []

        def make() -> Any:
            worlds.append(delayed_steps.Recorded(GymPushT(), GymPushT.max_steps))
            if not self.strategy.waits:
                return worlds[-1]
            waits = delayed_steps.Waiting(worlds[-1], horizons.action, self.delay_steps)
            waiting.append(waits)
            return waits

        limit = GymPushT.max_steps
        for _ in rollout(make, compared, list(self.seeds), horizons, limit, late):
            pass
        cycle = horizons.action + self.delay_steps * self.strategy.waits
        seams = list(range(cycle if self.strategy.waits else cycle + late, limit, cycle))
        total = Roughness()
        for world in worlds:
            total += world.roughness(seams)
        return {
            **self.key,
            'episodes': [
                {
                    'seed': world.seed,
                    'success': world.best > 0.95,
                    'coverage_max': world.best,
                    'steps': len(world.actions),
                }
                for world in worlds
            ],
            'limit': limit,
            'roughness': asdict(total),
            'apart': [] if self.strategy.waits else [asdict(a) for a in compared.apart],
            'ticks': sum(len(world.actions) for world in worlds),
            'idle_ticks': sum(waits.waited for waits in waiting),
        }


Job = CellJob | GymJob


def work(job: Job) -> dict[str, Any]:
    """Run a job in this process, on one thread."""
    torch.set_num_threads(1)
    return job.run()


def thinker(planner: Planner, charge: Charge) -> Think:
    """A planner as the delayed rollout asks it."""
    clock = CLOCKS[charge.clock]

    def think(window: ObservationWindow, committed: Array | None, delay_steps: int) -> Thought:
        begun = clock()
        waypoints = planner.waypoints(window, {}, committed, delay_steps)
        took = clock() - begun
        if charge.inference_ms is not None:
            took = round(charge.inference_ms * 1e6)
        return Thought(waypoints, took)

    return think


def _horizon(task: Task, strategy: Strategy) -> Horizon:
    horizon = receding_horizon(task)
    return StopAndWait(**vars(horizon)) if strategy.waits else horizon


@cache
def _loaded(folder: Path) -> Checkpoint:
    return checkpoint.load(folder)


@cache
def _engine(folder: Path, strategy: Strategy) -> AnyEngine:
    engine = make_engine(_loaded(folder).policy, transition=strategy.transition())
    for _ in range(WARM_UP_CHUNKS):
        engine.warm_up()
    return engine


@cache
def identity(folder: Path) -> str:
    """The hash of a checkpoint."""
    return _loaded(folder).identity


@cache
def _cell() -> Any:
    from dp_ros.sim.environment import PushTCell

    return PushTCell()


@cache
def _robot() -> Robot:
    return load_robot(share('config', 'robots', 'ur5e_sim.yaml'))
