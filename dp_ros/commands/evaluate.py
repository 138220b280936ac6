"""dp-ros evaluate: receding-horizon rollouts of a checkpoint in its headless environment."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from dp_ros import atomic
from dp_ros.commands.environments import environments_of
from dp_ros.learning import checkpoint, methods
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.engines import make_engine
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import SamplerName
from dp_ros.learning.transition import TRANSITIONS, Transition
from dp_ros.sim.rollout import Array, Outcome, Plan, Seen, check_delay, rollout
from dp_ros.task import Horizons

WINDOWS_AT_ONCE = 16
"""Encoding is done in parts, so that memory does not grow with the number of episodes."""


def joining(transition: str) -> Transition | None:
    """The strategy of this name, for `planner`."""
    return None if transition == 'switch' else TRANSITIONS[transition]()


def planner(
    policy: ChunkPolicy,
    seed: int,
    transition: Transition | None = None,
    delay_steps: int = 0,
) -> Plan:
    """A policy as a function from what the episodes have seen to actions (B, T_p, A).

    transition: how a chunk takes over from the one before, which plays on for `delay_steps`; None:
    by the recipe's sampler, without regard to it.
    """
    joined: DiffusionPolicy | None = None
    if transition is not None:
        policy.check_transition(transition)
        joined = policy if isinstance(policy, DiffusionPolicy) else None
    generator = torch.Generator().manual_seed(seed)
    samples = 1 if transition is None else transition.samples

    @torch.no_grad()
    def plan(seen: Seen) -> Array:
        images = {name: torch.from_numpy(frames) for name, frames in seen.images.items()}
        observations = Observations(torch.from_numpy(seen.vector).float(), images)
        shape = (len(observations), samples, *policy.noise_shape)
        noise = torch.randn(shape, generator=generator)
        features = _look(policy, observations)
        if transition is None or joined is None:
            single = noise[:, 0]
            return policy.predict(observations, single, generator, seen=features).double().numpy()
        before = None if seen.before is None else torch.from_numpy(seen.before).float()
        committed = joined.committed(observations.vector, before, delay_steps)
        condition = joined.condition(observations.vector, features)
        clean = transition(joined.denoising(condition), noise, committed)
        return joined.decode(observations.vector, clean).double().numpy()

    return plan


@torch.no_grad()
def _look(policy: ChunkPolicy, observations: Observations) -> Tensor | None:
    """Image features (B, T_o, V); None for a policy that sees no images."""
    if policy.vision is None:
        return None
    parts = []
    for start in range(0, len(observations), WINDOWS_AT_ONCE):
        part = slice(start, start + WINDOWS_AT_ONCE)
        parts.append(policy.vision({name: f[part] for name, f in observations.images.items()}))
    return torch.cat(parts)


def horizons_with(horizons: Horizons, action_steps: int | None) -> Horizons:
    """The horizons with another T_a, where one is given; ValueError if it does not fit."""
    if action_steps is None:
        return horizons
    return Horizons.model_validate({**horizons.model_dump(), 'action': action_steps})


def chunk_ms(policy: ChunkPolicy, transition: str) -> float:
    """CPU time [ms] of a chunk in the engine that a robot runs, without encoding; median of 50."""
    engine = make_engine(policy, transition=transition)
    engine.warm_up()
    durations = []
    for _ in range(50):
        start = time.process_time()
        engine.warm_up()  # two chunks
        durations.append((time.process_time() - start) / 2)
    return float(np.median(durations)) * 1e3


def run(
    folder: Path,
    episodes: int,
    seed: int,
    action_steps: int | None,
    sampler: SamplerName | None,
    inference_steps: int | None,
    delay_steps: int,
    transition: str,
    limit_steps: int | None,
    threads: int,
    out: Path,
    console: Console,
) -> None:
    """Roll out `episodes` starts and write the figures to `out`."""
    torch.set_num_threads(threads)
    loaded = checkpoint.load(folder)
    policy = loaded.policy
    if sampler is not None or inference_steps is not None:
        option = '--sampler' if sampler is not None else '--inference-steps'
        diffusion = methods.require_diffusion(policy, option)
        policy = diffusion.with_sampler(sampler, inference_steps)
    horizons = horizons_with(loaded.task.horizons, action_steps)
    check_delay(horizons, delay_steps)
    environments: list[Any] = []
    seeds = list(range(seed, seed + episodes))
    outcomes: list[Outcome] = []
    with environments_of(loaded.task) as make, Progress(console=console) as bar:
        row = bar.add_task('rolling out', total=episodes)

        def make_and_keep() -> Any:
            environments.append(make())
            return environments[-1]

        limit = limit_steps or int(make().max_steps)
        plan = planner(policy, 0, joining(transition), delay_steps)
        for outcome in rollout(make_and_keep, plan, seeds, horizons, limit, delay_steps):
            outcomes.append(outcome)
            bar.advance(row)
    outcomes.sort(key=lambda outcome: outcome.seed)
    scores = np.array([outcome.score for outcome in outcomes])
    duration_ms = chunk_ms(policy, transition)
    successes = sum(outcome.success for outcome in outcomes)
    console.print(
        f'{loaded.name} ({loaded.identity}), task {loaded.task.name}, seeds {seed} to '
        f'{seed + episodes - 1}, T_a {horizons.action}, delay {delay_steps} steps, {transition}, '
        f'{_how(policy)}: '
        f'mean score {scores.mean():.3f} (standard error '
        f'{scores.std() / np.sqrt(len(scores)):.3f}), success {successes} of {episodes}; '
        f'{duration_ms:.1f} ms of CPU a chunk'
    )
    report = {
        'checkpoint': {'name': loaded.name, 'identity': loaded.identity},
        'task': loaded.task.name,
        'action_steps': horizons.action,
        'delay_steps': delay_steps,
        'transition': transition,
        'limit_steps': limit,
        'method': methods.name(policy),
        **_sampling(policy),
        'chunk_ms': duration_ms,
        'mean_score': float(scores.mean()),
        'success_rate': successes / episodes,
        'episodes': [
            {
                'seed': o.seed,
                'coverage_max': o.coverage_max,
                'coverage_last': o.coverage_last,
                'steps': o.steps,
                'success': o.success,
            }
            for o in outcomes
        ],
    }
    atomic.write_text(out / 'evaluation.json', json.dumps(report, indent=2) + '\n')
    if loaded.task.name == 'two_arcs' and isinstance(policy, DiffusionPolicy):
        from dp_ros.commands import arcs_picture

        picture = out / 'denoising.png'
        arcs_picture.draw(policy, [e.path for e in environments], picture)
        share = arcs_picture.share_on_an_arc(policy)
        console.print(f'{share:.0%} of 400 chunks from the start end on an arc')
        console.print(f'picture: {picture}')
    console.print(f'figures: {out / "evaluation.json"}')


def _sampling(policy: ChunkPolicy) -> dict[str, Any]:
    """How chunks are denoised; nothing for a baseline."""
    if not isinstance(policy, DiffusionPolicy):
        return {}
    return {
        'sampler': policy.recipe.diffusion.sampler,
        'inference_steps': len(policy.inference_steps),
    }


def _how(policy: ChunkPolicy) -> str:
    found = _sampling(policy)
    if not found:
        return methods.name(policy)
    return f'{found["inference_steps"]} denoising steps ({found["sampler"]})'
