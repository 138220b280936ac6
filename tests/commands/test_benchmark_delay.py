"""dp-ros benchmark delay: what is asked for, what is kept, what is said."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from dp_ros.cli import app
from dp_ros.commands import benchmark_delay, benchmark_picture, benchmark_table
from dp_ros.commands.benchmark_jobs import CellJob, Charge, work
from dp_ros.commands.benchmark_rows import rows
from dp_ros.commands.benchmark_strategies import Added, Strategy, latencies, strategies
from dp_ros.learning.transition import Guided, Switch
from dp_ros.paths import share

TINY = (
    'benchmark', 'delay', '--seeds', '1', '--gym-seeds', '2', '--limit-s', '2',
    '--inference-ms', '20', '--strategies', 'switch,stop_and_wait', '--latencies', '200',
    '--delay-steps', '2',
)  # fmt: skip


def test_strategies_are_written_with_their_settings():
    guided, waiting = strategies('guided:beta=5:sd=1, stop_and_wait')
    assert guided.transition() == Guided(beta=5, sd=1)
    assert waiting.waits
    assert waiting.transition() == Switch()


@pytest.mark.parametrize('text', ['leap', 'guided:alpha=3', 'guided:beta=much'])
def test_a_strategy_that_does_not_exist_is_refused(text):
    with pytest.raises(ValueError, match=text.partition(':')[0]):
        strategies(text)


def test_latencies_may_jitter():
    assert latencies('0,200,100+200') == [Added(0), Added(200), Added(100, 200)]
    assert [str(a) for a in latencies('50,100+200')] == ['50', '100+200']


@pytest.mark.parametrize('text', ['-5', 'long', '100+', '1e9', 'nan'])
def test_a_latency_that_is_none_is_refused(text):
    if text == '100+':
        assert latencies(text) == [Added(100)]
        return
    with pytest.raises(ValueError, match='expected milliseconds'):
        latencies(text)


def episode(seed, success, seams, ways, **more):
    squares = {'total': 4.0, 'count': 4}
    felt = {'total': seams, 'count': 4}
    return {
        'task': 'cell', 'strategy': 'switch', 'delay': '200', 'seed': seed, 'checkpoint': 'x',
        'charge': 'cpu', 'success': success, 'coverage_max': 0.96 if success else 0.5,
        'duration_s': 10.0 if success else 60.0, 'ending': 'placed' if success else 'time limit',
        'splices': len(ways), 'apart': [{'way': way, 'timed': 2 * way} for way in ways],
        'ticks': 100, 'idle_ticks': 5,
        'outrun': 1, 'refused': {'late': 2}, 'took_ms': [10.0], 'delays_ms': [210.0],
        'roughness': {
            'seams': felt, 'waypoints': squares, 'near': felt, 'elsewhere': squares,
        },
    } | more  # fmt: skip


def test_a_row_pools_its_episodes():
    (row,) = rows([
        episode(1, True, 16.0, [0.01, 0.05]),
        episode(2, False, 16.0, [0.01, 0.01]),
    ])  # fmt: skip
    assert (row['episodes'], row['successes']) == (2, 1)
    # Wilson's interval of 1 in 2 at 95 %.
    assert (row['success_low'], row['success_high']) == pytest.approx((0.0945, 0.9055), abs=1e-3)
    assert row['duration_s'] == 35
    assert row['duration_of_successes_s'] == 10
    assert row['seam_ratio'] == pytest.approx(2)
    assert row['flips'] == 0.25
    assert row['ways_apart'] == pytest.approx(20)
    assert row['plans_apart'] == pytest.approx(40)
    assert row['idle_fraction'] == 0.05
    assert (row['outrun'], row['refused']) == (2, {'late': 4})


def test_a_latency_that_jitters_is_drawn_above_the_steady_one_of_its_mean(tmp_path):
    delays = ('0', '200', '100+200')
    found = rows([episode(1, True, 16.0, [0.01], delay=delay) for delay in delays])
    benchmark_picture.draw(tmp_path / 'delay.png', found)
    with Image.open(tmp_path / 'delay.png') as picture:
        assert picture.size[0] > 1000


def test_the_table_replaces_what_stands_between_the_markers(tmp_path):
    page = tmp_path / 'delay.md'
    page.write_text(f'above\n{benchmark_table.BEGIN}\nold\n{benchmark_table.END}\nbelow\n')
    found = rows([episode(1, True, 16.0, [0.01])])
    text = benchmark_table.markdown({'rows': found, 'charge': '20 ms'})
    benchmark_table.put_into(page, text)
    benchmark_table.put_into(page, text)
    said = page.read_text()
    assert 'old' not in said
    assert said.startswith('above\n')
    assert said.endswith('\nbelow\n')
    assert said.count('| switch | 200 |') == 1
    assert 'a declared 20 ms' in said
    page.write_text('no markers')
    with pytest.raises(ValueError, match='lacks the lines'):
        benchmark_table.put_into(page, text)


def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path, monkeypatch):
    def run():
        result = CliRunner().invoke(app, [*TINY, '--task', 'cell', '-o', str(tmp_path)])
        assert result.exit_code == 0, result.output
        return (tmp_path / 'records.jsonl').read_text()

    first = run()
    report = json.loads((tmp_path / 'delay.json').read_text())
    switch, waiting = report['rows']
    assert report['charge'] == '20 ms'
    assert switch['idle_fraction'] == 0
    assert waiting['idle_fraction'] > 0.2
    assert switch['delay_ms'] == pytest.approx(220, abs=3)
    assert (tmp_path / 'delay.png').read_bytes()[:4] == b'\x89PNG'

    kept, lost = first.splitlines(keepends=True)
    (tmp_path / 'records.jsonl').write_text(kept + lost[:40] + '\n')
    arguments = [*TINY, '--task', 'cell', '--report', '-o', str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert '**Not finished: 1 of 2 episodes.**' in (tmp_path / 'delay.md').read_text()
    done = []
    monkeypatch.setattr(benchmark_delay, 'work', lambda job: done.append(job) or work(job))
    again = run()
    assert 'Not finished' not in (tmp_path / 'delay.md').read_text()
    # The same seed and a declared time: the same bytes.
    assert again.splitlines()[-1] == lost.strip()
    assert [job.strategy.name for job in done] == ['stop_and_wait']


def test_a_report_of_nothing_is_refused(tmp_path):
    result = CliRunner().invoke(app, [*TINY, '--task', 'cell', '--report', '-o', str(tmp_path)])
    assert isinstance(result.exception, ValueError)
    assert 'holds no episode' in str(result.exception)


def test_gym_is_swept_in_steps(tmp_path):
    pytest.importorskip('gym_pusht')
    result = CliRunner().invoke(app, [*TINY, '--task', 'gym', '-o', str(tmp_path)])
    assert result.exit_code == 0, result.output
    switch, waiting = json.loads((tmp_path / 'delay.json').read_text())['rows']
    assert switch['episodes'] == waiting['episodes'] == 2
    assert switch['idle_fraction'] == 0
    assert waiting['idle_fraction'] == pytest.approx(0.2, abs=0.03)
    assert switch['seam_ratio'] > 1


def test_one_checkpoint_cannot_be_of_two_tasks(tmp_path):
    result = CliRunner().invoke(app, [*TINY, '--checkpoint', str(tmp_path), '-o', str(tmp_path)])
    assert isinstance(result.exception, ValueError)
    assert 'is of one task' in str(result.exception)


@pytest.mark.parametrize('seed', [5001, 5002])
def test_without_latency_the_asynchronous_cell_is_solved_as_in_lock_step(seed):
    job = CellJob(
        share('models', 'pusht_cell'), Strategy('switch'), Added(0), seed, Charge('cpu', 20.0), 40
    )
    record = work(job)
    assert record['success'], record['ending']
    assert record['idle_ticks'] == 0
    assert record['refused'] == {}
    assert np.mean(record['delays_ms']) == pytest.approx(20, abs=3)
