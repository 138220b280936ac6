"""Evidence for 2, 6 and 14 numbers in an action, and the command that plays two arms."""

import io
import json

import pytest
from rich.console import Console

from dp_ros.commands import arms
from dp_ros.commands.dataset import EXPERTS
from dp_ros.commands.environments import ENVIRONMENTS
from dp_ros.commands.evidence import dimensions, page, pictures, store, suite
from dp_ros.commands.evidence.evaluation import Starts
from dp_ros.commands.evidence.workbench import Workbench
from dp_ros.learning import checkpoint
from dp_ros.learning.methods import load_recipe, make_policy
from dp_ros.paths import share
from dp_ros.task import load_task

TASKS = tuple(dimensions.TITLES)


def play(arguments, log):
    """Leaves what dp-ros would."""
    out = log.parents[1] / arguments[arguments.index('-o') + 1]
    out.mkdir(parents=True, exist_ok=True)
    episodes = [{'coverage_max': c, 'coverage_last': c, 'steps': 50} for c in (1.0, 0.8, 1.0, 1.0)]
    report = {'checkpoint': {'identity': 'abc'}, 'chunk_ms': 3.0, 'episodes': episodes}
    for name in ('evaluation.json', 'arms.json'):
        (out / name).write_text(json.dumps(report))


def quiet():
    return Console(record=True, width=200, file=io.StringIO())


def test_each_task_is_taught_evaluated_and_told(tmp_path):
    places = suite.Places(tmp_path / 'evidence', tmp_path / 'evidence.md')
    bench = Workbench(tmp_path / 'out', None, play)
    choice = suite.Choice(('dimensions',), starts=Starts(4))
    suite.run(choice, bench, 1, places, quiet())
    records = store.read(places.results, 'dimensions').values()
    assert {record['key']['task'] for record in records} == set(TASKS)
    for record in records:
        words = [command.split()[1:3] for command in record['commands']]
        assert [first for first, _ in words[:2]] == ['dataset', 'train']
        assert words[2] in (['evaluate', words[2][1]], ['benchmark', 'arms'])
    text = places.page.read_text()
    lines = [line for line in text.splitlines() if ' x 16 |' in line]
    assert [line.split(' | ')[1] for line in lines] == ['2 x 16', '6 x 16', '14 x 16', '14 x 16']
    assert all('75 % (30 to 95)' in line for line in lines)
    assert 'chunks 150 ms late' in lines[-1]
    assert (places.results / 'dimensions.png').read_bytes().startswith(b'\x89PNG')
    assert '- Dimensions' not in text


def test_what_is_told_as_not_run_names_the_task(tmp_path, monkeypatch):
    for table in page.TABLES:
        monkeypatch.setitem(pictures.DRAW, table, lambda *_: None)
    places = suite.Places(tmp_path / 'evidence', tmp_path / 'evidence.md')
    suite.tell(Starts(4), places)
    assert '- Dimensions: two_arcs, ur5e_reach, two_arms_carry x 2' in places.page.read_text()


@pytest.mark.parametrize('task', TASKS)
def test_every_task_has_an_expert_an_environment_and_a_recipe_that_fits(task):
    source = dimensions.Taught(task)
    (episode,) = EXPERTS[task](1, 0)
    description = source.description
    assert episode.state.shape[1] == description.observation_dim
    assert episode.action.shape[1] == description.action_dim
    assert len(episode) > description.horizons.prediction
    with ENVIRONMENTS[task](description) as make:
        assert make().reset(0).shape == (description.observation_dim,)
    assert source.sizes['dimensions'] == [description.action_dim, 16]


@pytest.fixture
def untrained(tmp_path):
    def saved(task):
        recipe = load_recipe(share('config', 'training', f'{task}.yaml'))
        description = load_task(share('config', 'tasks', f'{task}.yaml'))
        checkpoint.save(make_policy(description, recipe), tmp_path / task)
        return tmp_path / task

    return saved


def test_a_policy_is_played_through_both_streams(untrained, tmp_path, monkeypatch):
    monkeypatch.setattr(arms, 'LIMIT_S', 1.0)
    robot = share('config', 'robots', 'ur5e_sim.yaml')
    arms.run(untrained('two_arms_carry'), robot, 2, 5, 150, 1, tmp_path / 'out', quiet())
    report = json.loads((tmp_path / 'out' / 'arms.json').read_text())
    assert [episode['seed'] for episode in report['episodes']] == [5, 6]
    for episode in report['episodes']:
        assert episode['coverage_max'] < 0.95
        assert episode['verdicts'].keys() == episode['splices'].keys() == {'left', 'right'}
        assert sum(episode['verdicts']['left'].values()) > 0


def test_a_policy_of_one_arm_is_refused(untrained, fails, tmp_path):
    said = fails('benchmark', 'arms', untrained('ur5e_reach'), '-o', tmp_path / 'out')
    assert "is for task 'ur5e_reach'; this takes a policy of two arms and a bar" in said
