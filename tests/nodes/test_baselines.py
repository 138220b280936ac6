"""Baselines plan on the robot as any policy does: through the same node."""

import numpy as np
import pytest
import torch
from std_msgs.msg import String

from dp_ros import yamlfile
from dp_ros.core.mode import Mode
from dp_ros.data import messages
from dp_ros.learning import checkpoint, methods
from dp_ros.learning.observations import Observations
from dp_ros.nodes import topics
from dp_ros.nodes.inference import InferenceNode
from dp_ros.nodes.observation import ObservationNode
from dp_ros.task import load_task
from tests.nodes.streams import POSE, ros
from tests.nodes.test_asynchronous import TASK

SIZES = {
    'bet': {'width': 16, 'blocks': 0, 'bins': 4},
    'ibc': {'width': 16, 'layers': 1, 'samples': 32},
}


@pytest.mark.parametrize('kind', SIZES)
def test_a_baseline_plans_chunk_after_chunk_and_refuses_another_transition(domain, tmp_path, kind):
    (tmp_path / 'tip.yaml').write_text(TASK)
    torch.manual_seed(0)
    recipe = yamlfile.parse(
        methods.BASELINES[kind][0],
        {'kind': kind, 'features': {'kind': 'relative'}, 'optimiser': {'steps': 1}} | SIZES[kind],
        'test',
    )
    policy = methods.make_policy(load_task(tmp_path / 'tip.yaml'), recipe).eval()
    checkpoint.save(policy, tmp_path / 'model')
    given = {'task': tmp_path / 'tip.yaml', 'checkpoint': tmp_path / 'model'}

    def make():
        observation = ObservationNode()
        return [observation, InferenceNode(observation)]

    with ros(make, domain, given, ()) as (_, streams):
        chunks = []
        topic = topics.CARTESIAN_CHUNK
        streams.node.create_subscription(
            topic.type, topic.name, lambda m: chunks.append(messages.cartesian_chunk(m)), topic.qos
        )
        topics.MODE.publisher(streams.node).publish(String(data=Mode.POLICY.value))
        streams.run(until=lambda: len(chunks) >= 2)
    window = torch.tensor(POSE[:2]).float().expand(1, 2, 2)
    noise = torch.randn(1, *policy.noise_shape, generator=torch.Generator().manual_seed(0))
    first = policy.predict(Observations(window), noise)[0].numpy()
    # What is past when it is published is left out of a chunk.
    sent = chunks[0].waypoints[:, :2]
    np.testing.assert_allclose(sent, first[len(first) - len(sent) :], atol=1e-5)

    with (
        pytest.raises(AssertionError, match=rf'a baseline \(kind: {kind}\)'),
        ros(make, domain, given | {'transition': 'guided'}, ()),
    ):
        pass
