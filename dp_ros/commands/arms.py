"""dp-ros benchmark arms: one policy for two arms, each behind a command stream of its own."""

import json
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from dp_ros import atomic
from dp_ros.core.stamped import Array, ObservationWindow
from dp_ros.core.stream import CommandStream
from dp_ros.hardware.drivers import make_kinematics
from dp_ros.learning import checkpoint
from dp_ros.learning.engines import make_engine
from dp_ros.learning.planner import Planner, receding_horizon
from dp_ros.robot import load_robot
from dp_ros.sim.carry import PARTS, Carry
from dp_ros.sim.delayed_arms import DelayedArms, Played
from dp_ros.sim.kinematic_arm import STEP_S
from dp_ros.task import JointAction

LIMIT_S = Carry.max_steps * STEP_S


def run(
    folder: Path,
    robot_file: Path,
    episodes: int,
    seed: int,
    delay_ms: float,
    threads: int,
    out: Path,
    console: Console,
) -> None:
    """Play `episodes` starts, chunks coming `delay_ms` after their windows; figures go to `out`.

    Both arms are those of `robot_file`. Raises ValueError for a policy of another task.
    """
    torch.set_num_threads(threads)
    loaded = checkpoint.load(folder)
    task = loaded.task
    if not isinstance(task.action, JointAction) or task.action.parts != PARTS:
        raise ValueError(
            f'{folder} is for task {task.name!r}; this takes a policy of two arms and a bar, as '
            f'`dp-ros train --task two_arms_carry` makes one'
        )
    engine = make_engine(loaded.policy)
    robot = load_robot(robot_file)
    rules, horizon = robot.stream(task, make_kinematics(robot)), receding_horizon(task)
    world = Carry()
    found = []
    for start in track(range(seed, seed + episodes), 'playing', console=console):
        planner = Planner(task, engine, start)

        def think(
            window: ObservationWindow, before: Array | None, steps: int, planner: Planner = planner
        ) -> Array:
            return planner.waypoints(window, {}, before, steps)

        streams = {arm: CommandStream(rules) for arm in PARTS}
        rollout = DelayedArms(world, streams, horizon, think, round(delay_ms * 1e6), start)
        found.append(_episode(rollout.run(LIMIT_S)))
    placed = sum(episode['ending'] == 'placed' for episode in found)
    report = {
        'checkpoint': {'name': loaded.name, 'identity': loaded.identity},
        'task': task.name,
        'delay_ms': delay_ms,
        'episodes': found,
    }
    atomic.write_text(out / 'arms.json', json.dumps(report, indent=2) + '\n')
    console.print(f'{placed} of {episodes} bars placed; figures: {out / "arms.json"}')


def _episode(played: Played) -> dict[str, Any]:
    """What is kept of it, with the figures that `dp-ros evaluate` has, too."""
    return {
        'seed': played.seed,
        'coverage_max': played.coverage,
        'coverage_last': played.coverage,
        'steps': round(played.duration_s / STEP_S),
        'ending': played.ending,
        'splices': {arm: len(splices) for arm, splices in played.splices.items()},
        'verdicts': dict(played.verdicts),
    }
