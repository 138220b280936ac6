"""dp-ros benchmark evidence: what is run, kept and told; the commands are played by a stand-in."""

import io
import json

import numpy as np
import pytest
from rich.console import Console
from shapely import box

from dp_ros import yamlfile
from dp_ros.commands.evidence import (
    contenders,
    horizons,
    methods,
    page,
    pictures,
    rollouts,
    samplers,
    statistics,
    store,
    suite,
)
from dp_ros.commands.evidence.contenders import BY_KEY, Contender
from dp_ros.commands.evidence.demonstrations import Demonstrations
from dp_ros.commands.evidence.evaluation import Starts
from dp_ros.commands.evidence.sources import KEPT, Trained
from dp_ros.commands.evidence.workbench import CommandError, Workbench, dp_ros
from dp_ros.data import replay_buffer
from dp_ros.data.replay_buffer import Episode
from dp_ros.learning import methods as learning_methods

STARTS = Starts(4)
CNN = BY_KEY['cnn']
RECIPE = """
network: {kind: mlp, width: 8, blocks: 1, step_embedding: 4}
features: {kind: plain}
optimiser: {steps: 80, batch: 4}
"""


class Program:
    """Does what dp-ros would, at once: each command leaves the files that are read afterwards.

    calls: what was run; fails: a word that makes a command fail.
    """

    def __init__(self):
        self.calls = []
        self.fails = None

    def __call__(self, arguments, log):
        self.calls.append(list(arguments))
        if self.fails in arguments:
            raise CommandError(f'dp-ros {arguments[0]} failed')
        out = log.parents[1] / arguments[arguments.index('-o') + 1]
        out.mkdir(parents=True, exist_ok=True)
        if arguments[0] == 'evaluate':
            covered = [0.5, 0.96, 0.93, 1.0]
            episodes = [
                {'seed': i, 'coverage_max': c, 'coverage_last': c - 0.1, 'steps': 100 + i}
                for i, c in enumerate(covered)
            ]
            report = {'checkpoint': {'identity': 'abc'}, 'chunk_ms': 3.0, 'episodes': episodes}
            (out / 'evaluation.json').write_text(json.dumps(report))
        if arguments[:2] == ['benchmark', 'modes']:
            way = {'switches': 1, 'points': [[0, 230], [30, 100], [60, 0]]}
            ways = [way | {'side': side} for side in ('left', 'right', 'right', 'straight')]
            report = {'checkpoint': {'identity': 'abc'}, 'ways': ways}
            (out / 'modes.json').write_text(json.dumps(report))

    def count(self, word):
        return sum(word in call for call in self.calls)


@pytest.fixture
def played():
    return Program()


@pytest.fixture
def bench(played, tmp_path):
    return Workbench(tmp_path / 'out', tmp_path / 'pusht.zarr', played)


@pytest.fixture
def places(tmp_path):
    return suite.Places(tmp_path / 'docs' / 'evidence', tmp_path / 'docs' / 'evidence.md')


@pytest.fixture
def quiet():
    return Console(record=True, width=200, file=io.StringIO())


@pytest.fixture(autouse=True)
def _nobody_has_the_demonstrations(monkeypatch):
    monkeypatch.setattr(methods, 'people', list)
    monkeypatch.setattr(rollouts, 'people', list)


@pytest.fixture
def drawn(monkeypatch):
    """The tables that would be drawn; drawing takes longer than all the rest."""
    names = []
    for table in page.TABLES:
        monkeypatch.setitem(pictures.DRAW, table, lambda *_, t=table: names.append(t))
    return names


def choice(*tables, of=(CNN,), seeds=1):
    return suite.Choice(tables, of, seeds, STARTS)


def test_wilson_holds_what_its_quadratic_equation_says():
    found = statistics.rate(7, 50)
    for edge in (found['low'], found['high']):
        # (p - edge)^2 = z^2 edge (1 - edge) / n
        assert (0.14 - edge) ** 2 == pytest.approx(1.959964**2 * edge * (1 - edge) / 50, rel=1e-5)
    assert statistics.rate(0, 20)['low'] == 0
    assert statistics.rate(20, 20)['high'] == 1


def test_standard_errors_of_seeds_and_starts_add_up():
    seeds, starts = np.array([0.0, 0.1, 0.5]), np.array([0.2, 0.3, 0.1, 0.0])
    found = statistics.mean(seeds[:, None] + starts)
    expected = seeds.var(ddof=1) / 3 + starts.var(ddof=1) / 4
    assert found == {
        'mean': pytest.approx(seeds.mean() + starts.mean()),
        'error': pytest.approx(expected**0.5),
    }
    assert statistics.mean(starts[None])['error'] == pytest.approx(starts.std(ddof=1) / 2)


def test_iou_follows_from_the_coverage_of_equal_areas():
    goal, block = box(0, 0, 2, 1), box(0.7, 0.1, 2.7, 1.1)
    overlap = goal.intersection(block).area
    found = statistics.iou(np.array(overlap / goal.area))
    assert found == pytest.approx(overlap / goal.union(block).area)


def test_a_score_ends_at_95_percent():
    np.testing.assert_allclose(statistics.scores([0.475, 0.95, 1.0]), [0.5, 1, 1])


def test_the_recipe_of_a_seed_is_the_shipped_one_with_that_seed(tmp_path):
    (tmp_path / 'some.yaml').write_text(RECIPE)
    plain = Contender('cnn', 'X', str(tmp_path / 'some'))
    watched = Contender('cnn', 'X', str(tmp_path / 'some'), watched=True)
    shipped = learning_methods.load_recipe(plain.file)

    def written(trained, bench):
        trained.ready(bench)
        return learning_methods.load_recipe(trained.folder(bench) / 'recipe.yaml')

    bench = Workbench(tmp_path / 'out', tmp_path / 'pusht.zarr', Program())
    assert written(Trained(plain, 2), bench) == shipped.model_copy(update={'seed': 2})
    kept = written(Trained(watched, 0), bench)
    assert kept.keep_every == kept.validate_every == 80 // KEPT
    assert Trained(watched, 0).kept_steps == list(range(10, 81, 10))
    # Another recipe, another run.
    before = Trained(plain, 0).identity
    (tmp_path / 'some.yaml').write_text(RECIPE.replace('width: 8', 'width: 16'))
    assert Trained(plain, 0).identity != before


def test_a_policy_is_trained_once_for_all_its_tables(played, bench, places, quiet, drawn):
    mlp = BY_KEY['regression']
    suite.run(choice('methods', 'modes', of=[mlp]), bench, 1, places, quiet)
    assert played.count('import-pusht') == played.count('train') == 1
    assert played.count('evaluate') == played.count('modes') == 1
    (record,) = [r for r in store.read(places.results, 'methods').values() if 'seed' in r['key']]
    assert record['commands'][0].startswith('dp-ros dataset import-pusht pusht.zarr -o')
    assert [command.split()[1] for command in record['commands']] == [
        'dataset', 'train', 'evaluate',
    ]  # fmt: skip
    assert record['coverage_max'] == [0.5, 0.96, 0.93, 1.0]


def test_what_is_known_is_not_done_again(played, bench, places, quiet, drawn):
    first = choice('samplers', 'horizons')
    suite.run(first, bench, 1, places, quiet)
    done = len(played.calls)
    assert played.count('evaluate') == 3 * 6 + 3 + 6 + 5
    assert played.count('distill') == 1
    suite.run(first, bench, 1, places, quiet)
    assert len(played.calls) == done
    # A record that was lost is made anew, without training again.
    known = store.read(places.results, 'samplers')
    lost = next(key for key in known if 'consistency' in key)
    store.write(places.results, 'samplers', {k: v for k, v in known.items() if k != lost})
    suite.run(first, bench, 1, places, quiet)
    assert played.calls[done:] == [played.calls[-1]]
    assert store.read(places.results, 'samplers') == known


def test_a_job_that_fails_leaves_the_others_alone(played, bench, places, quiet, drawn):
    played.fails = 'ddpm'
    with pytest.raises(ValueError, match='6 of 21 jobs failed'):
        suite.run(choice('samplers'), bench, 2, places, quiet)
    assert len(store.read(places.results, 'samplers')) == 15
    assert 'ddpm x 6' in places.page.read_text()
    played.fails, done = None, len(played.calls)
    suite.run(choice('samplers'), bench, 2, places, quiet)
    assert len(played.calls) - done == 6
    assert 'Samplers: ' not in places.page.read_text()


def test_a_page_has_tables_pictures_and_what_is_missing(played, bench, places, quiet):
    places.page.parent.mkdir(parents=True)
    places.page.write_text(f'# Mine\n{page.BEGIN}\nold\n{page.END}\nand more\n')
    both = [CNN, BY_KEY['regression']]
    suite.run(choice('methods', 'modes', 'samplers', of=both, seeds=2), bench, 1, places, quiet)
    text = places.page.read_text()
    assert text.startswith('# Mine\n')
    assert text.endswith('and more\n')
    assert 'old' not in text
    # Two seeds of four episodes, 2 of 4 above 95 %.
    row = next(line for line in text.splitlines() if line.startswith('| Diffusion, CNN'))
    assert '| 2 | 4 |' in row
    assert '50 % (22 to 78)' in row
    assert '.95 / .91' in row
    for table in ('methods', 'modes', 'samplers'):
        assert (places.results / f'{table}.png').read_bytes().startswith(b'\x89PNG')
    assert '### Horizons and delay\n\nNot run yet.' in text
    assert 'bet x 3' in text
    # Redrawn from the records alone.
    done = len(played.calls)
    places.page.write_text(f'{page.BEGIN}\n{page.END}\n')
    suite.run(choice('methods'), bench, 0, places, quiet)
    assert len(played.calls) == done
    assert row in places.page.read_text()


def test_records_of_a_recipe_that_changed_are_not_told(played, bench, places, quiet, drawn):
    suite.run(choice('methods', of=[CNN]), bench, 1, places, quiet)
    known = store.read(places.results, 'methods')
    changed = {
        key: {**record, 'key': {**record['key'], 'origin': 'older'}}
        for key, record in known.items()
    }
    store.write(places.results, 'methods', changed)
    suite.tell(STARTS, places)
    assert '| Diffusion, CNN' not in places.page.read_text()


def test_a_recipe_that_is_not_there_is_passed_over(played, bench, places, quiet, drawn):
    absent = Contender('bet', 'BET', 'baselines/none')
    suite.run(choice('methods', 'modes', 'stability', of=[absent]), bench, 1, places, quiet)
    assert played.calls == []
    assert 'passed over: there is no recipe baselines/none yet' in quiet.export_text()


def test_rollouts_take_a_minute_and_are_judged_at_their_end(played, bench):
    (job,) = rollouts.jobs([CNN])
    record = job.run(bench)
    assert played.calls[-1][0] == 'evaluate'
    assert played.calls[-1][-4:-2] == ['--limit-steps', '600']
    human = {'key': {'method': 'human'}, 'coverage_last': [0.9, 0.84], 'steps': [100, 200]}
    assert rollouts.rows([record]) == []
    people, row = rollouts.rows([record, human])
    # Ends of 0.4, 0.86, 0.83 and 0.9.
    assert row['success']['successes'] == 2
    assert row['duration_s'] == pytest.approx(10.15)
    assert people['success']['share'] == 1


def test_people_are_the_measure(places):
    def record(key, last):
        size = len(last)
        return {
            'key': key, 'coverage_max': last, 'coverage_last': last, 'steps': [200] * size,
            'chunk_ms': 5.0,
        }  # fmt: skip

    human = record({'method': 'human'}, [0.8, 0.9])
    cnn = record({'method': 'cnn', 'seed': 0}, [0.79, 0.81, 0.96, 1.0])
    people, row = methods.rows([cnn, human])
    assert people['as_people']['share'] == 1
    assert people['chunk_ms'] is None
    assert row['as_people']['successes'] == 3
    assert row['success']['successes'] == 2
    assert row['duration_s'] == pytest.approx(20)
    assert methods.rows([cnn])[0]['as_people'] is None


def test_rows_come_in_order():
    def record(**key):
        return {'key': key, 'coverage_max': [1.0], 'steps': [10], 'chunk_ms': 1.0}

    found = samplers.rows([
        record(sampler='ddpm', steps=16), record(sampler='ddim', steps=100),
        record(sampler='ddim', steps=2),
    ])  # fmt: skip
    assert [(row['sampler'], row['steps']) for row in found] == [
        ('ddim', 2), ('ddim', 100), ('ddpm', 16),
    ]  # fmt: skip
    found = horizons.rows([record(varied='delay_steps', value=0),
                           record(varied='action_steps', value=15)])  # fmt: skip
    assert [row['value'] for row in found] == [15, 0]


def test_every_action_horizon_fits_the_task():
    from dp_ros.paths import share
    from dp_ros.sim.rollout import check_delay
    from dp_ros.task import load_task

    task = load_task(share('config', 'tasks', 'pusht_gym.yaml'))
    most = task.horizons.prediction - task.horizons.now
    assert max(horizons.ACTION_STEPS) == most
    for delay in horizons.DELAYS:
        check_delay(task.horizons, delay)


def test_shipped_recipes_are_found_and_valid():
    names = {contender.key for contender in contenders.CONTENDERS}
    assert names == set(methods.ORDER) - {'human'}
    cnn = yamlfile.dump(learning_methods.load_recipe(CNN.file))
    assert 'kind: unet' in cnn


def test_a_file_that_holds_no_records_is_named(tmp_path):
    (tmp_path / 'modes.json').write_text('{"table": "mod')
    with pytest.raises(ValueError, match=r'modes.json does not hold the records of table modes'):
        store.read(tmp_path, 'modes')


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--tables', 'speed'], '--tables speed: expected some of methods'),
        (['--methods', 'act'], '--methods act: expected some of cnn'),
        (['--tables', 'modes'], 'pusht_cchi_v7_replay.zarr'),
    ],
)
def test_what_does_not_fit_is_said(fails, arguments, said, places):
    given = ('--results', places.results, '--page', places.page)
    assert said in fails('benchmark', 'evidence', *arguments, *given)


def test_a_command_that_fails_says_why(tmp_path):
    log = tmp_path / 'logs' / 'one.log'
    with pytest.raises(
        CommandError, match=r'dataset info nowhere failed.*no such data set.*one\.log'
    ):
        dp_ros(['dataset', 'info', 'nowhere'], log)
    assert log.read_text()


def test_people_are_measured_as_they_were_recorded(bench):
    beside = np.array([50, 50, 256, 256, np.pi / 4], np.float32)
    near, far = beside.copy(), beside.copy()
    near[2:4] += 10 * 0.5**0.5
    far[2:4] += 150
    episodes = [
        Episode(np.stack([far, beside, near]), np.full((3, 2), 50, np.float32)),
        Episode(np.stack([far, near]), np.full((2, 2), 50, np.float32)),
    ]
    replay_buffer.write(bench.demonstrations, episodes)
    record = Demonstrations().run(bench)
    # What stays covered by a T shifted along its bar by 10: from the sizes of bar and stem.
    shifted = (110 * 30 + 20 * 90) / (120 * 30 + 30 * 90)
    assert record['coverage_max'] == pytest.approx([1, shifted], abs=1e-3)
    assert record['coverage_last'] == pytest.approx([shifted, shifted], abs=1e-3)
    assert record['steps'] == [3, 2]
