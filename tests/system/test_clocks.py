"""The whole graph with a policy whose machine has another clock: the arm does not move."""

import re
import time

import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from dp_ros import bringup
from tests.faults.bench import TestProcess
from tests.loopback import free_address
from tests.system.observer import graph_of
from tests.system.test_faults import START_S, arm_policy, moved_after

DIFFER = 'the clocks of policy and executor differ: '


def clocks(observer, start):
    return lambda: observer.statuses.get('executor/clocks', '').startswith(start)


def set_ahead(observer, milliseconds):
    value = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=milliseconds)
    request = SetParameters.Request(parameters=[Parameter(name='ahead_ms', value=value)])
    answer = observer.ask(SetParameters, '/observation/set_parameters', request)
    assert answer.results[0].successful


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_policy_by_another_clock_does_not_get_the_arm(domain, tmp_path):
    *cell, policy = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    shifted = TestProcess('policy', {**policy.parameters, 'ahead_ms': 420})
    with graph_of([*cell, shifted], domain, tmp_path) as (_, observer):
        observer.wait_for(lambda: observer.mode == 'idle', START_S, 'executor is active')
        observer.wait_for(clocks(observer, DIFFER), START_S, 'the offset is named')
        answer = observer.arm()
        assert not answer.success
        told = r"the policy's is 0\.\d\d s ahead, 0\.05 s allowed; synchronise them .*PTP\)"
        assert re.fullmatch(DIFFER + told, answer.message), answer.message
        time.sleep(1.0)
        assert observer.commands == []
        bounds = observer.values['executor/clocks']
        assert 370 < float(bounds['policy_ahead_ms_at_least']) <= 420
        assert float(bounds['policy_ahead_ms_at_most']) >= 420

        set_ahead(observer, 0)
        observer.wait_for(clocks(observer, 'the clocks agree'), 15, 'the clocks agree')
        arm_policy(observer)
        set_ahead(observer, -300)
        observer.wait_for(lambda: observer.mode == 'holding', 3, 'the arm holds')
        held = time.monotonic()
        observer.wait_for(
            lambda: DIFFER in observer.statuses['executor/mode'], 2, 'the offset is the reason'
        )
        assert 's behind' in observer.statuses['executor/mode']
        time.sleep(1.0)
        assert moved_after(observer.commands, held + 0.6) == 0.0
        assert observer.arm().message.startswith(DIFFER)
