"""From streams to chunks through a policy that sees, in one process."""

import itertools
import os
import signal

import pytest
import torch
from std_msgs.msg import String

from dp_ros import yamlfile
from dp_ros.core.mode import Mode
from dp_ros.data import messages
from dp_ros.learning import checkpoint
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.nodes import crash, topics
from dp_ros.nodes.inference import InferenceNode
from dp_ros.nodes.observation import ObservationNode
from dp_ros.paths import share
from dp_ros.ros_process import Process
from dp_ros.running import GraphError, running
from dp_ros.task import load_task
from tests.nodes.streams import ros

TASK = share('config', 'tasks', 'pusht_cell_image.yaml')
ROBOT = share('config', 'robots', 'ur5e_sim.yaml')
CAMERAS = ('overhead', 'wrist')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """A policy that sees, but has learned nothing."""
    torch.manual_seed(0)
    recipe = yamlfile.parse(
        Recipe,
        {
            'network': {'kind': 'mlp', 'width': 32, 'blocks': 1, 'step_embedding': 16},
            'features': {'kind': 'plain'},
            'vision': {'kind': 'small', 'keypoints': 4, 'features': 6},
            'diffusion': {'training_steps': 20, 'inference_steps': 4},
            'optimiser': {'steps': 1},
        },
        'test',
    )
    folder = tmp_path_factory.mktemp('model')
    checkpoint.save(DiffusionPolicy(load_task(TASK), recipe), folder)
    return folder


def planning(domain, model, **parameters):
    def make():
        observation = ObservationNode()
        return [observation, InferenceNode(observation)]

    given = {'task': TASK, 'robot': ROBOT, 'checkpoint': model} | parameters
    return ros(make, domain, given, CAMERAS)


def commanded(streams, inference):
    """Hand over to the policy; returns the list that its chunks go to."""
    chunks = []
    topic = topics.CARTESIAN_CHUNK
    streams.node.create_subscription(
        topic.type, topic.name, lambda m: chunks.append(messages.cartesian_chunk(m)), topic.qos
    )
    modes = topics.MODE.publisher(streams.node)
    modes.publish(String(data=Mode.POLICY.value))
    streams.run(until=lambda: inference._commanding)
    return chunks


def test_a_policy_that_sees_plans_and_encodes_each_frame_once_and_ahead(domain, model):
    with planning(domain, model) as ([_, inference], streams):
        engine = inference._engine
        eyes, seen, within = engine._eyes, set(), []
        predict = engine.predict

        def watched(vector, noise, frames, *joined):
            before = eyes.encoded
            actions = predict(vector, noise, frames, *joined)
            within.append(eyes.encoded - before)
            seen.update((name, stamp) for name, steps in frames.items() for stamp, _ in steps)
            return actions

        warm = eyes.encoded
        engine.predict = watched
        chunks = commanded(streams, inference)
        streams.run(until=lambda: len(chunks) >= 5)
        inference.close()
        # Two steps of two cameras make a window; when its anchor comes, at most those of the
        # anchor are still to be encoded.
        assert max(within) <= len(CAMERAS)
        assert len(seen) == 4 * len(within)
        # A frame encoded ahead may belong to the window that the test did not wait for.
        assert len(seen) <= eyes.encoded - warm <= len(seen) + 4
        steps = [b.splice_ns - a.splice_ns for a, b in itertools.pairwise(chunks)]
        assert min(steps) > 0


def test_a_camera_that_is_gone_stops_the_plans_until_it_is_back(domain, model):
    with planning(domain, model) as ([_, inference], streams):
        chunks = commanded(streams, inference)
        streams.run(until=lambda: len(chunks) >= 2)
        streams.silent.add('wrist')
        streams.run(0.5)
        planned = len(chunks)
        streams.run(1.0)
        assert len(chunks) == planned
        assert 'wrist' in streams.status('observation')[1]
        streams.silent.clear()
        streams.run(until=lambda: len(chunks) >= planned + 2)


def test_a_plan_that_is_played_is_withdrawn_when_a_camera_is_silent(domain, model):
    with planning(domain, model) as (_, streams):
        heard = []
        topic, schedule = topics.CARTESIAN_CHUNK, topics.CARTESIAN_SCHEDULE.publisher(streams.node)

        def echo(message):
            heard.append(message)
            if message.points:
                schedule.publish(message)

        streams.node.create_subscription(topic.type, topic.name, echo, topic.qos)
        topics.MODE.publisher(streams.node).publish(String(data=Mode.POLICY.value))
        streams.run(until=lambda: len(heard) >= 2)
        assert all(message.points for message in heard)
        streams.silent.add('wrist')
        streams.run(until=lambda: not heard[-1].points)
        streams.run(0.5)
        assert sum(not message.points for message in heard) == 1


def test_a_plan_that_raises_ends_the_process_to_be_started_anew(domain, model, monkeypatch):
    """Otherwise the node would report itself as warm for ever, and the arm would hold."""
    killed = []
    monkeypatch.setattr(crash.os, 'kill', lambda pid, number: killed.append((pid, number)))

    def failing(*_):
        raise RuntimeError('CUDA error: an illegal memory access was encountered')

    with planning(domain, model) as ([_, inference], streams):
        inference._engine.predict = failing
        commanded(streams, inference)
        streams.run(until=lambda: killed)
        inference._worker.join(timeout=5)
        assert killed == [(os.getpid(), signal.SIGINT)]


def test_black_frames_stop_the_plans_and_are_named(domain, model):
    with planning(domain, model) as ([_, inference], streams):
        chunks = commanded(streams, inference)
        streams.run(until=lambda: len(chunks) >= 2)
        bright = streams.frame
        streams.frame = lambda number: bright(number) // 60
        streams.run(until=lambda: 'black' in (streams.status('inference/window') or ['', ''])[1])
        planned = len(chunks)
        streams.run(1.0)
        assert len(chunks) == planned
        streams.frame = bright
        streams.run(until=lambda: len(chunks) >= planned + 2)


def test_plans_go_on_when_time_is_set_back(domain, model):
    with planning(domain, model, use_sim_time=True) as ([_, inference], streams):
        chunks = commanded(streams, inference)
        streams.run(until=lambda: len(chunks) >= 2)
        streams.set_back(30)
        streams.run(0.3)
        planned = len(chunks)
        streams.run(until=lambda: len(chunks) >= planned + 2)
        assert chunks[-1].splice_ns < chunks[0].splice_ns
        assert chunks[-1].splice_ns > streams.now_ns() - 1e9


def test_a_checkpoint_of_other_cameras_than_the_robot_has_ends_the_process(
    domain, model, tmp_path
):
    robot = tmp_path / 'robot.yaml'
    robot.write_text(ROBOT.read_text().replace('wrist: {driver', 'hand: {driver'))
    policy = Process('policy', {'task': TASK, 'robot': robot, 'checkpoint': model})
    with (
        running([policy], tmp_path / 'logs', domain) as graph,
        pytest.raises(GraphError, match=r"(?s)'policy' ended.*\['wrist'\] missing"),
    ):
        graph.wait(40)
