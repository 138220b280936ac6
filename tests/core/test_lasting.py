"""What a process has counted outlasts it."""

from dp_ros.core.lasting import LastingValues


def test_counters_go_on_after_a_restart_and_the_rest_is_the_newest():
    known = LastingValues(('ticks', 'limited_'))
    assert known.values == {}
    known.hear({'ticks': '5', 'limited_speed': '2', 'rate_hz': '124.9'})
    known.hear({'ticks': '7', 'limited_speed': '2', 'rate_hz': '125.1'})
    assert known.values == {'ticks': '7', 'limited_speed': '2', 'rate_hz': '125.1'}
    known.hear({})  # not active
    assert known.values['ticks'] == '7'
    known.hear({'ticks': '0', 'rate_hz': '100.0'})
    known.hear({'ticks': '4', 'limited_step': '1', 'rate_hz': '99.0'})
    expected = {'ticks': '11', 'limited_speed': '2', 'limited_step': '1', 'rate_hz': '99.0'}
    assert known.values == expected
    known.hear({'ticks': '1', 'rate_hz': '90.0'})
    assert known.values == expected | {'ticks': '12', 'rate_hz': '90.0'}
