"""dp-ros evaluate: receding-horizon rollouts of a checkpoint in its headless environment."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from dp_ros import atomic
from dp_ros.commands.environments import environments_of
from dp_ros.learning import checkpoint
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.transition import TRANSITIONS, Transition
from dp_ros.sim.rollout import Array, Outcome, Plan, Seen, check_delay, rollout
from dp_ros.task import Horizons

WINDOWS_AT_ONCE = 16
"""Encoding is done in parts, so that memory does not grow with the number of episodes."""


def joining(transition: str) -> Transition | None:
    """The strategy of this name, for `planner`."""
    return None if transition == 'switch' else TRANSITIONS[transition]()


def planner(
    policy: DiffusionPolicy,
    seed: int,
    transition: Transition | None = None,
    delay_steps: int = 0,
) -> Plan:
    """A policy as a function from what the episodes have seen to actions (B, T_p, A).

    transition: how a chunk takes over from the one before, which plays on for `delay_steps`; None:
    by the recipe's sampler, without regard to it.
    """
    generator = torch.Generator().manual_seed(seed)
    samples = 1 if transition is None else transition.samples

    @torch.no_grad()
    def plan(seen: Seen) -> Array:
        images = {name: torch.from_numpy(frames) for name, frames in seen.images.items()}
        observations = Observations(torch.from_numpy(seen.vector).float(), images)
        shape = (len(observations), samples, *policy.noise_shape)
        noise = torch.randn(shape, generator=generator)
        features = _look(policy, observations)
        if transition is None:
            single = noise[:, 0]
            return policy.predict(observations, single, generator, seen=features).double().numpy()
        before = None if seen.before is None else torch.from_numpy(seen.before).float()
        committed = policy.committed(observations.vector, before, delay_steps)
        condition = policy.condition(observations.vector, features)
        clean = transition(policy.denoising(condition), noise, committed)
        return policy.decode(observations.vector, clean).double().numpy()

    return plan


@torch.no_grad()
def _look(policy: DiffusionPolicy, observations: Observations) -> Tensor | None:
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


def run(
    folder: Path,
    episodes: int,
    seed: int,
    action_steps: int | None,
    inference_steps: int | None,
    delay_steps: int,
    transition: str,
    threads: int,
    out: Path,
    console: Console,
) -> None:
    """Roll out `episodes` starts and write the figures to `out`."""
    torch.set_num_threads(threads)
    loaded = checkpoint.load(folder)
    policy = loaded.policy
    if inference_steps is not None:
        policy = policy.with_inference_steps(inference_steps)
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

        limit = int(make().max_steps)
        plan = planner(policy, 0, joining(transition), delay_steps)
        for outcome in rollout(make_and_keep, plan, seeds, horizons, limit, delay_steps):
            outcomes.append(outcome)
            bar.advance(row)
    outcomes.sort(key=lambda outcome: outcome.seed)
    scores = np.array([outcome.score for outcome in outcomes])
    successes = sum(outcome.success for outcome in outcomes)
    console.print(
        f'{loaded.name} ({loaded.identity}), task {loaded.task.name}, seeds {seed} to '
        f'{seed + episodes - 1}, T_a {horizons.action}, delay {delay_steps} steps, {transition}, '
        f'{len(policy.inference_steps)} denoising steps ({policy.recipe.diffusion.sampler}): '
        f'mean score {scores.mean():.3f} (standard error '
        f'{scores.std() / np.sqrt(len(scores)):.3f}), success {successes} of {episodes}'
    )
    report = {
        'checkpoint': {'name': loaded.name, 'identity': loaded.identity},
        'task': loaded.task.name,
        'action_steps': horizons.action,
        'delay_steps': delay_steps,
        'transition': transition,
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
    if loaded.task.name == 'two_arcs':
        from dp_ros.commands import arcs_picture

        picture = out / 'denoising.png'
        arcs_picture.draw(policy, [e.path for e in environments], picture)
        console.print(f'picture: {picture}')
    console.print(f'figures: {out / "evaluation.json"}')
