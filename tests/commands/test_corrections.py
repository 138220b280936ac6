"""dp-ros dataset correct: the chunks of the policy are joined as asked."""

import pytest

from dp_ros.data import replay_buffer
from dp_ros.paths import share

POLICY = share('models', 'pusht_cell')


@pytest.fixture
def corrected(program, tmp_path):
    """The one episode of a correction."""

    def correct(transition):
        out = tmp_path / f'{transition}.zarr'
        code, said, failed = program(
            'dataset', 'correct', POLICY, '--out', out, '--episodes', 1, '--delay-steps', 2,
            '--transition', transition,
        )  # fmt: skip
        assert code == 0, failed
        assert 'the expert finished 1 and failed 0 times' in said
        (episode,) = replay_buffer.read(out)
        return episode

    return correct


def test_another_way_of_joining_leads_to_other_places(corrected):
    switched, averaged = corrected('switch'), corrected('ensemble')
    # One start, one noise: what differs is where the policy had got to.
    assert abs(switched.state[0] - averaged.state[0]).max() > 1e-4
    for episode in (switched, averaged):
        assert len(episode) > 10


def test_a_policy_without_a_prefix_cannot_be_joined_by_one(fails, tmp_path):
    said = fails(
        'dataset', 'correct', share('models', 'pusht_cell_image'), '--out', tmp_path / 'set.zarr',
        '--episodes', 1, '--transition', 'prefix',
    )  # fmt: skip
    assert 'this policy was not trained with a clean prefix; choose another transition' in said
    assert not (tmp_path / 'set.zarr').exists()
