"""What a GPU would record and replay is the same function, and can be recorded.

No test machine has a GPU: see recording.py for what stands in for it.
"""

import pytest
import torch

from benchmarks.chunk_cases import cases, policy_of
from dp_ros.learning.committed import Committed, soft_weights
from dp_ros.learning.engine import Engine
from dp_ros.learning.place import Place
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.precision import Precision
from dp_ros.learning.recorded import Recorder
from dp_ros.learning.torch_loop import TorchLoop
from dp_ros.learning.transition import TRANSITIONS
from tests.learning.recording import NothingFromTheCPU, Operations, Tape

STEPS = [45, 20, 0]
HERE, THERE = (Place(torch.device(name), Precision.float32) for name in ('cpu', 'meta'))
RECORDABLE = [name for name, make in TRANSITIONS.items() if make().recordable]
NETWORKS = {
    'unet': {'kind': 'unet', 'widths': [16, 32], 'step_embedding': 16},
    'transformer': {'kind': 'transformer', 'width': 32, 'layers': 2, 'heads': 2},
}


@pytest.fixture(params=NETWORKS)
def policy(request, task, make_recipe):
    torch.manual_seed(0)
    diffusion = {'prediction': 'epsilon', 'inference_steps': 4, 'prefix': {'most': 3}}
    made = DiffusionPolicy(
        task,
        make_recipe(
            network=NETWORKS[request.param], features={'kind': 'relative'}, diffusion=diffusion
        ),
    )
    made.fit(torch.rand(50, 2, 2), torch.rand(50, 8, 2))
    return made.eval()


def inputs(policy, name, device='cpu'):
    """A condition, noise, and the plan before, all random."""
    samples = TRANSITIONS[name]().samples
    vector = torch.rand(1, 2, 2, device=device)
    target = torch.rand(1, 8, 2, device=device)
    noise = torch.randn(1, samples, 8, 2, device=device)
    before = Committed(target, soft_weights(8, 1, 2, 2).to(device))
    return policy.condition(vector, None), noise, before


@pytest.mark.parametrize('name', RECORDABLE)
def test_nothing_of_the_loop_comes_from_the_cpu(policy, name):
    there = policy.to('meta')
    loop = TorchLoop(there, TRANSITIONS[name](), THERE, None)
    condition, noise, before = inputs(there, name, 'meta')
    for known in (None, before):
        with NothingFromTheCPU():
            chunk = loop.sample(STEPS, condition, noise, known)
        assert chunk.shape == (1, 8, 2)


@pytest.mark.parametrize('name', sorted(set(TRANSITIONS) - set(RECORDABLE)))
def test_what_is_not_recordable_takes_something_from_the_cpu(policy, name):
    there = policy.to('meta')
    loop = TorchLoop(there, TRANSITIONS[name](), THERE, None)
    condition, noise, before = inputs(there, name, 'meta')
    with pytest.raises(RuntimeError, match='of the CPU'), NothingFromTheCPU():
        loop.sample(STEPS, condition, noise, before)


@pytest.mark.parametrize('name', RECORDABLE)
def test_a_recorded_loop_is_the_same_function(policy, name):
    tape = Tape()
    recorder = Recorder(tape)
    plain, recorded = (
        TorchLoop(policy, TRANSITIONS[name](), HERE, each) for each in (None, recorder)
    )
    for _ in range(3):
        condition, noise, before = inputs(policy, name)
        for known in (None, before):
            with torch.no_grad():
                expected = plain(STEPS, condition, noise[0].numpy(), known)
                found = recorded(STEPS, condition, noise[0].numpy(), known)
            assert torch.equal(found, expected)
    assert tape.made == len(recorder) == 2


def test_other_shapes_are_refused():
    recorder = Recorder(Tape())
    recorder('sum', torch.add, torch.zeros(2), torch.ones(2))
    with pytest.raises(ValueError, match=r'recorded with shapes'):
        recorder('sum', torch.add, torch.zeros(3), torch.ones(3))


def test_the_engine_records_each_number_of_steps_before_it_is_needed(policy):
    """On a GPU, here with the graphs of the CPU taken away."""
    plain, engine = Engine(policy, transition='prefix'), Engine(policy, 'cpu', 'prefix', 1e6)
    tape = Tape()
    engine._recorder = Recorder(tape)
    engine._loop = TorchLoop(policy, engine.transition, HERE, engine._recorder)
    engine.warm_up()
    assert engine.statistics()['recordings'] == tape.made == 2 * 4  # with a plan before, and not
    rng = torch.Generator().manual_seed(1)
    vector, noise = torch.rand(2, 2, generator=rng), torch.randn(1, 8, 2, generator=rng)
    before = torch.rand(8, 2, generator=rng)
    before[6:] = torch.nan
    for plan in (None, before.numpy()):
        chunks = [e.predict(vector, noise, None, plan, 2) for e in (plain, engine)]
        assert chunks[0] == pytest.approx(chunks[1], abs=1e-4)
    assert tape.made == 8


@pytest.mark.parametrize(
    ('name', 'most', 'plain'), [('1.2 M U-Net', 2250, 3100), ('9 M transformer', 3600, 4800)]
)
@torch.no_grad()
def test_what_does_not_depend_on_the_noise_is_no_operation_of_each_step(name, most, plain):
    """A chunk of 16 steps, by the engine's loop and by the plain policy's."""
    (case,) = (case for case in cases() if (case.name, case.sees) == (name, 'state'))
    policy = policy_of(case, 'DDIM-16').eval()
    condition, noise = torch.randn(1, policy.condition_dim), torch.randn(1, *policy.noise_shape)
    with Operations() as ours:
        TorchLoop(policy, TRANSITIONS['switch'](), HERE, None).sample(
            policy.inference_steps, condition, noise[None], None
        )
    with Operations() as theirs:
        policy.denoising(condition).sample(noise)
    assert ours.count <= most < plain <= theirs.count
