"""The curves are those of their costs."""

import pytest

from benchmarks import scaling


@pytest.mark.parametrize('power', [0, 1, 2])
def test_the_slope_is_the_power_of_the_cost(power):
    costs = tuple(0.003 * times**power for times in scaling.TIMES)
    assert scaling.Curve('cost', '', costs).slope == pytest.approx(power)


def test_what_is_timed_does_what_it_says(tmp_path):
    scaling.windows(1)()  # they raise where they do not
    scaling.chunks(1)()
    scaling.write_bag(tmp_path / 'bag', 60)
    with scaling.open_bag(tmp_path / 'bag') as bag:
        assert bag.counts == {scaling.TCP_POSE: 60}
        first, second = [recorded.message() for recorded in bag.messages()][:2]
    assert second.header.stamp.nanosec - first.header.stamp.nanosec == 16_666_666
    scaling.read_bag(tmp_path / 'bag')()
