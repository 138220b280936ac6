"""dp-ros evaluate: receding-horizon rollouts of a checkpoint in its headless environment."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from dp_ros import atomic
from dp_ros.commands.environments import environment_of
from dp_ros.learning import checkpoint
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.sim.rollout import Outcome, rollout

Plan = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def planner(policy: DiffusionPolicy, seed: int) -> Plan:
    """A policy as a function from observations (B, T_o, D) to actions (B, T_p, A)."""
    generator = torch.Generator().manual_seed(seed)

    def plan(observations: NDArray[np.float64]) -> NDArray[np.float64]:
        seen = torch.from_numpy(observations).float()
        noise = torch.randn(len(seen), *policy.noise_shape, generator=generator)
        return policy.predict(seen, noise, generator).double().numpy()

    return plan


def run(
    folder: Path,
    episodes: int,
    seed: int,
    action_steps: int | None,
    inference_steps: int | None,
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
    horizons = loaded.task.horizons
    if action_steps is not None:
        horizons = type(horizons).model_validate({**horizons.model_dump(), 'action': action_steps})
    make = environment_of(loaded.task)
    environments: list[Any] = []

    def make_and_keep() -> Any:
        environments.append(make())
        return environments[-1]

    seeds = list(range(seed, seed + episodes))
    outcomes: list[Outcome] = []
    with Progress(console=console) as bar:
        row = bar.add_task('rolling out', total=episodes)
        limit = int(make().max_steps)
        for outcome in rollout(make_and_keep, planner(policy, 0), seeds, horizons, limit):
            outcomes.append(outcome)
            bar.advance(row)
    outcomes.sort(key=lambda outcome: outcome.seed)
    scores = np.array([outcome.score for outcome in outcomes])
    successes = sum(outcome.success for outcome in outcomes)
    console.print(
        f'{loaded.name} ({loaded.identity}), task {loaded.task.name}, seeds {seed} to '
        f'{seed + episodes - 1}, T_a {horizons.action}, '
        f'{len(policy.inference_steps)} denoising steps ({policy.recipe.diffusion.sampler}): '
        f'mean score {scores.mean():.3f} (standard error '
        f'{scores.std() / np.sqrt(len(scores)):.3f}), success {successes} of {episodes}'
    )
    report = {
        'checkpoint': {'name': loaded.name, 'identity': loaded.identity},
        'task': loaded.task.name,
        'action_steps': horizons.action,
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
