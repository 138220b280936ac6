"""The inference node beside an executor that takes chunks and tells of its schedule."""

import numpy as np
import pytest
import torch
from std_msgs.msg import String

from dp_ros import yamlfile
from dp_ros.core.chunk import Schedule, Verdict
from dp_ros.core.mode import Mode
from dp_ros.data import messages
from dp_ros.learning import checkpoint
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.nodes import convert, topics
from dp_ros.nodes.inference import InferenceNode
from dp_ros.nodes.observation import ObservationNode
from dp_ros.task import load_task
from tests.nodes.streams import POSE, ros

TASK = """
name: tip
rate_hz: 10
horizons: {observation: 2, prediction: 16, action: 4}
observations: [{type: pose, name: tcp, topic: /tcp_pose, components: [x, y]}]
action:
  space: cartesian
  components: [x, y]
  fixed: {z: 0.005, rx: 3.0, ry: 0, rz: 0}
"""
PERIOD = 100_000_000


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A task, and a policy of it that has learnt nothing."""
    folder = tmp_path_factory.mktemp('tip')
    task = folder / 'tip.yaml'
    task.write_text(TASK)
    torch.manual_seed(0)
    recipe = yamlfile.parse(
        Recipe,
        {
            'network': {'kind': 'mlp', 'width': 32, 'blocks': 1, 'step_embedding': 16},
            'features': {'kind': 'relative'},
            'diffusion': {'training_steps': 20, 'inference_steps': 4},
            'optimiser': {'steps': 1},
        },
        'test',
    )
    checkpoint.save(DiffusionPolicy(load_task(task), recipe), folder / 'model')
    return {'task': task, 'checkpoint': folder / 'model'}


class Executor:
    """Takes chunks as the executor does, and tells of what is to come.

    played: absolute time -> waypoint; accepted: the chunks.
    """

    def __init__(self, streams):
        self._streams = streams
        chunk, schedule = topics.CARTESIAN_CHUNK, topics.CARTESIAN_SCHEDULE
        streams.node.create_subscription(chunk.type, chunk.name, self._on_chunk, chunk.qos)
        self._told = schedule.publisher(streams.node)
        self._modes = topics.MODE.publisher(streams.node)
        self.played, self.accepted, self.verdicts = {}, [], []

    def arm(self):
        """Hand over to the policy."""
        self._schedule = Schedule(pose=True, width=7).started(self._streams.now_ns(), POSE)
        self._modes.publish(String(data=Mode.POLICY.value))

    def _on_chunk(self, message):
        chunk, now = messages.cartesian_chunk(message), self._streams.now_ns()
        self._schedule, verdict = self._schedule.accept(chunk, now)
        self.verdicts.append(verdict)
        if verdict is Verdict.ACCEPTED:
            self.accepted.append(chunk)
            self.played |= dict(zip(chunk.stamps_ns, chunk.waypoints, strict=True))
            ahead = self._schedule.ahead(now)
            self._told.publish(convert.cartesian_chunk_message(ahead))


def planning(domain, files, **parameters):
    def make():
        observation = ObservationNode()
        return [observation, InferenceNode(observation)]

    return ros(make, domain, files | {'transition': 'replacement'} | parameters, ())


def watched(inference, executor):
    """[(anchor, what it was told, its d, waypoints, what had been accepted)] of each plan."""
    plans, plan = [], inference._planner.waypoints

    def noted(window, frames, before, delay_steps):
        known = dict(executor.played)
        waypoints = plan(window, frames, before, delay_steps)
        plans.append((window.anchor_ns, before, delay_steps, waypoints, known))
        return waypoints

    inference._planner.waypoints = noted
    return plans


def test_chunks_that_come_late_go_on_from_what_is_played_and_leave_no_gap(domain, files):
    with planning(domain, files, added_latency_ms=250.0) as ([_, inference], streams):
        assert not inference._planning.history.delays_ns, 'warming up is no delay of a chunk'
        executor = Executor(streams)
        plans = watched(inference, executor)
        executor.arm()
        streams.run(until=lambda: len(executor.accepted) >= 7)
        inference.close()
        streams.run(0.7)
        told = streams.status('inference')[2]
    for old, new in zip(executor.accepted, executor.accepted[1:], strict=False):
        assert new.splice_ns <= old.end_ns
    joined = [plan for plan in plans if plan[1] is not None]
    assert len(joined) >= 4
    by_end = {chunk.end_ns: chunk for chunk in executor.accepted}
    for anchor, before, delay, waypoints, known in joined:
        assert delay >= 2
        due = [anchor + i * PERIOD for i in range(16)]
        certain = np.array([known[stamp] for stamp in due[: 1 + delay]])
        np.testing.assert_allclose(before[: 1 + delay], certain, atol=1e-9)
        np.testing.assert_allclose(waypoints[: 1 + delay], certain, atol=1e-5)
        chunk = by_end.get(due[-1])
        if chunk is not None:
            assert chunk.splice_ns == due[1 + delay]
    assert told['transition'] == 'replacement'
    assert float(told['delay_p50_ms']) > 250
    assert int(told['delay_steps']) >= 2
    counted = inference._planning.counts
    assert counted['accepted'] == len(executor.accepted)
    assert len(inference._planning.history.delays_ns) == sum(
        counted[name] for name in ('accepted', 'discarded', 'late')
    )


def test_a_chunk_that_outran_what_it_knew_is_discarded_and_counted(domain, files):
    with planning(domain, files) as ([_, inference], streams):
        executor = Executor(streams)
        executor.arm()
        streams.run(until=lambda: len(executor.accepted) >= 3)
        before = inference._planning.counts['discarded']
        inference._added_ms = 700.0
        streams.run(until=lambda: 'outran' in (streams.status('inference/chunk') or ['', ''])[1])
        inference._added_ms = 0.0
        accepted = len(executor.accepted)
        streams.run(until=lambda: len(executor.accepted) >= accepted + 2)
        assert inference._planning.counts['discarded'] > before
        assert max(inference._planning.history.delays_ns) > 700e6


def test_a_new_epoch_begins_with_a_plan_that_is_free(domain, files):
    with planning(domain, files) as ([_, inference], streams):
        executor = Executor(streams)
        plans = watched(inference, executor)
        executor.arm()
        streams.run(until=lambda: len(executor.accepted) >= 3)
        assert plans[-1][1] is not None
        executor._modes.publish(String(data=Mode.HOLDING.value))
        streams.run(until=lambda: not inference._commanding)
        streams.run(0.2)
        count = len(plans)
        executor.arm()
        streams.run(until=lambda: len(plans) > count)
        assert plans[count][1] is None
