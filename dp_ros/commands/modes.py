"""dp-ros benchmark modes: which way a policy goes where two are equally good."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from dp_ros import atomic
from dp_ros.commands.evaluate import planner
from dp_ros.learning import checkpoint, methods
from dp_ros.sim import stem
from dp_ros.sim.rollout import rollout

STEPS = 60
TASK = 'pusht_gym'


def run(folder: Path, rollouts: int, threads: int, out: Path, console: Console) -> None:
    """Roll out from one state before the T's stem, and write the ways that were taken to `out`."""
    torch.set_num_threads(threads)
    loaded = checkpoint.load(folder)
    if loaded.task.name != TASK:
        raise ValueError(
            f'the state before the stem is one of task {TASK}, and {loaded.name!r} was trained '
            f'for {loaded.task.name}'
        )
    worlds: list[stem.BeforeTheStem] = []

    def make() -> stem.BeforeTheStem:
        worlds.append(stem.BeforeTheStem())
        return worlds[-1]

    plan = planner(loaded.policy, 0)
    for _ in rollout(make, plan, list(range(rollouts)), loaded.task.horizons, STEPS):
        pass
    ways = [stem.read(np.array(world.states)) for world in worlds]
    count = Counter(way.side for way in ways)
    console.print(
        f'{loaded.name} ({loaded.identity}), {methods.name(loaded.policy)}: '
        f'{", ".join(f"{count[side]} {side}" for side in stem.SIDES)} of {rollouts}; '
        f'{np.mean([way.switches for way in ways]):.2f} changes of side in a rollout'
    )
    report = {
        'checkpoint': {'name': loaded.name, 'identity': loaded.identity},
        'method': methods.name(loaded.policy),
        'steps': STEPS,
        'ways': [_json(way) for way in ways],
    }
    atomic.write_text(out / 'modes.json', json.dumps(report) + '\n')
    console.print(f'figures: {out / "modes.json"}')


def _json(way: stem.Way) -> dict[str, Any]:
    points = np.round(way.points).astype(int).tolist()
    return {'side': way.side, 'switches': way.switches, 'points': points}
