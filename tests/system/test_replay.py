"""A golden bag through real topics: the policy plans on it, the executor moves nothing."""

import json
import shutil
from pathlib import Path

import pytest

from dp_ros.commands import replay_live
from dp_ros.data.bag_repair import BagError
from dp_ros.paths import share
from dp_ros.running import GraphError

pytestmark = pytest.mark.timeout(120)
GOLDEN = Path(__file__).parents[1] / 'replay' / 'golden'
STATE = share('models', 'pusht_cell')


@pytest.fixture
def replay(domain, tmp_path):
    from rich.console import Console

    def run(bag, checkpoint=STATE, speed=1.0):
        replay_live.run(bag, checkpoint, None, speed, tmp_path / 'out', Console(quiet=True))
        return json.loads((tmp_path / 'out' / 'replay.json').read_text())

    return run


def test_a_bag_is_played_and_the_policy_plans_on_it(replay, tmp_path):
    report = replay(GOLDEN / 'normal' / 'bag')
    # 6 s at 2.5 chunks a second, and a machine that is busy.
    assert report['chunks']['accepted'] >= 6
    assert (
        'connected to the arm at a played bag'
        in (tmp_path / 'out' / 'logs' / 'executor.log').read_text()
    )


def test_a_checkpoint_of_another_task_is_refused(replay):
    with pytest.raises(GraphError, match='pusht_cell_image'):
        replay(GOLDEN / 'stale_camera' / 'bag')


def test_a_bag_of_somebody_else_is_refused(replay, tmp_path):
    bag = tmp_path / 'bag'
    shutil.copytree(GOLDEN / 'normal' / 'bag', bag)
    (bag / 'episode.yaml').unlink()
    with pytest.raises(BagError, match=r'no episode\.yaml'):
        replay(bag)
