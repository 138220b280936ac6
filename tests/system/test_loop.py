"""The script of `make loop`, smaller: from a hand at a gamepad to a policy that runs."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from dp_ros.data.bag import open_bag

ROOT = Path(__file__).parents[2]
RECIPE = """
network: {kind: mlp, width: 32, blocks: 1, step_embedding: 16}
features: {kind: block_frame, goal: [0.46, 0.0, 0.7853981633974483], fine: 0.06}
diffusion: {prediction: sample, inference_steps: 4, spacing: trailing}
optimiser: {steps: 60, batch: 32, learning_rate: 1.0e-3, warmup: 10}
save_every: 30
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_loop(domain, tmp_path):
    recipe, out = tmp_path / 'recipe.yaml', tmp_path / 'loop'
    recipe.write_text(RECIPE)
    small = {'EPISODES': '3', 'RUNS': '1', 'OUT': str(out), 'RECIPE': str(recipe)}
    small['INITIAL'] = ''
    done = subprocess.run(
        ['sh', str(ROOT / 'scripts' / 'loop.sh')],
        env={**os.environ, **small},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    for number in (1, 2, 3):
        with open_bag(out / 'recordings' / f'episode_{number:04d}') as bag:
            assert bag.counts['/teleop/twist'] > 50
    for name in ('audit/audit.png', 'episode.png', 'set.zarr', 'replay/replay.png'):
        assert (out / name).exists(), name
    report = json.loads((out / 'demo' / 'report.json').read_text())
    assert len(report['episodes']) == 1
    assert report['chunk']['count'] > 3
    assert report['arm']['protective_stops'] == 0
