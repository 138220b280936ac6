"""What a newcomer runs: the demo as a command, and what it leaves behind."""

import json
import os
import subprocess
import sys

import av
import pytest
from PIL import Image

pytestmark = pytest.mark.timeout(300)


def demo(tmp_path, domain, *options):
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
    command = [sys.executable, '-m', 'dp_ros.cli', 'demo', '-o', str(tmp_path / 'demo'), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)


@pytest.mark.parametrize(
    ('policy', 'name'),
    [pytest.param('image', 'pusht_cell_image', marks=pytest.mark.slow), ('state', 'pusht_cell')],
)
def test_the_demo_leaves_report_film_and_picture(tmp_path, domain, policy, name):
    done = demo(tmp_path, domain, '--policy', policy, '--episodes', '1', '--seed', '1002')
    assert done.returncode == 0, done.stderr
    assert 'episode 1/1: seed 1002' in done.stdout
    out = tmp_path / 'demo'
    report = json.loads((out / 'report.json').read_text())
    (episode,) = report['episodes']
    assert {'seed', 'success', 'coverage_max', 'iou_last', 'duration_s'} <= episode.keys()
    assert episode['seed'] == 1002
    assert 0.0 <= report['success_rate'] <= 1.0
    # The policy really pushes: the T comes to the goal, as far as a busy machine lets it.
    assert episode['coverage_max'] > 0.3, report
    chunk, executor = report['chunk'], report['executor']
    assert chunk['count'] >= 5
    assert 0 < chunk['latency_ms']['p50'] <= chunk['latency_ms']['p99'] < 2000
    assert set(chunk['stages_ms']) == {'window', 'inference', 'transport'}
    assert executor['rate_hz'] > 100
    assert executor['idle_fraction'] <= 0.1
    assert executor['late_actions_dropped'] >= 0
    assert report['arm']['driver'] == 'ur'
    assert report['arm']['address'].startswith('127.')
    assert report['arm']['protective_stops'] == 0
    assert report['checkpoint']['name'] == name
    assert len(report['checkpoint']['identity']) == 16
    assert report['versions']['dp_ros']
    with av.open(str(out / 'demo.mp4')) as film:
        frames = sum(1 for _ in film.decode(video=0))
    assert frames > 0.8 * 12 * episode['duration_s']
    with Image.open(out / 'trajectory.png') as picture:
        assert picture.size[0] > 400


def test_a_policy_that_is_not_there_is_a_sentence(tmp_path, domain):
    done = demo(tmp_path, domain, '--checkpoint', str(tmp_path / 'nothing'))
    assert done.returncode == 1
    assert 'is not a checkpoint' in done.stdout + done.stderr
    assert 'Traceback' not in done.stdout + done.stderr
