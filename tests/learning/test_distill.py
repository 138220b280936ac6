"""Consistency distillation, on actions that go up or down by the noise alone."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from dp_ros import yamlfile
from dp_ros.data.windows import Windows
from dp_ros.learning import checkpoint
from dp_ros.learning.batches import Examples
from dp_ros.learning.chance import Draw
from dp_ros.learning.checkpoint import Checkpoint
from dp_ros.learning.consistency import boundary
from dp_ros.learning.distill import RECIPE, StudentJob, distill, student_recipe
from dp_ros.learning.engine import Engine
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Distillation, Recipe
from dp_ros.learning.train import train
from dp_ros.learning.training_state import ResumeError

SAMPLE = {'prediction': 'sample'}


def two_ways(count=64):
    """Windows of one observation, after which actions lead up as often as down."""
    along = np.linspace(0, 1, 8, dtype=np.float32)[:, None] * np.array([[1, 2]], np.float32)
    sign = np.where(np.arange(count) % 2, 1, -1).astype(np.float32)[:, None, None]
    return Windows(np.zeros((count, 2, 2), np.float32), sign * along)


def settings(steps=20, **other):
    optimiser = {'steps': steps, 'batch': 64, 'learning_rate': 2e-3, 'warmup': 5, 'ema_max': 0.95}
    return yamlfile.parse(Distillation, {'optimiser': optimiser, **other}, 'settings')


def saved(policy, folder):
    checkpoint.save(policy, folder)
    return checkpoint.load(folder)


@pytest.fixture(scope='module')
def teacher(task, make_recipe, tmp_path_factory):
    """A policy that goes either way."""
    recipe = make_recipe(
        optimiser={'steps': 400, 'batch': 64, 'learning_rate': 3e-3},
        diffusion={'prediction': 'sample', 'inference_steps': 25},
    )
    folder = tmp_path_factory.mktemp('teacher')
    train(task, recipe, two_ways(), two_ways(), folder)
    return checkpoint.load(folder / 'checkpoint')


@pytest.fixture(scope='module')
def student(teacher, tmp_path_factory):
    folder = tmp_path_factory.mktemp('student')
    distill(teacher, settings(400, stride=2), two_ways(), two_ways(), folder)
    return checkpoint.load(folder / 'checkpoint')


def chunks(policy, count=200):
    observed = Observations(torch.zeros(count, 2, 2))
    noise = torch.randn(count, 8, 2, generator=torch.Generator().manual_seed(5))
    return policy.predict(observed, noise)


def test_one_step_of_the_student_ends_where_the_teacher_does(teacher, student):
    policy = student.policy
    wanted, found = chunks(teacher.policy), chunks(policy)
    hasty = chunks(teacher.policy.with_sampler(steps=1))
    # One step of the teacher goes to the mean of both ways, where nobody went.
    assert hasty[:, -1, 1].abs().median() < 0.6
    assert (hasty - wanted).abs().mean() > 0.5
    assert (found - wanted).abs().mean() < 0.15
    agree = torch.sign(found[:, -1, 1]) == torch.sign(wanted[:, -1, 1])
    assert agree.float().mean() > 0.95
    for steps in (2, 4):
        height = chunks(policy.with_sampler(steps=steps))[:, -1, 1]
        assert (height.abs() - 2).abs().median() < 0.1
        assert 0.3 < (height > 0).float().mean() < 0.7


def test_the_student_comes_closer_to_its_teacher(teacher, tmp_path):
    told = []
    how = settings(150, stride=2, validate_every=50)
    distill(teacher, how, two_ways(), two_ways(), tmp_path, report=told.append)
    away = [p.figures['from_the_teacher'] for p in told if p.figures]
    assert len(away) == 3
    assert away[-1] < 0.85 * away[0]


def test_the_student_is_an_ordinary_checkpoint(teacher, student, tmp_path):
    recipe = student.policy.recipe
    assert recipe.distilled_from == teacher.identity
    assert recipe.diffusion.sampler == 'consistency'
    assert len(student.policy.inference_steps) == 1
    assert recipe.network == teacher.policy.recipe.network
    again = saved(student.policy, tmp_path / 'again')
    assert again.identity == student.identity
    assert torch.equal(chunks(again.policy), chunks(student.policy))


@pytest.mark.parametrize('steps', [1, 3])
def test_the_engine_answers_what_the_student_answers(student, steps):
    policy = student.policy.with_sampler(steps=steps)
    noise = np.random.default_rng(0).normal(size=(1, 8, 2)).astype(np.float32)
    found = Engine(policy).predict(np.zeros((2, 2)), noise)
    expected = policy.predict(Observations(torch.zeros(1, 2, 2)), torch.from_numpy(noise))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


class Known(nn.Module):
    """The perfect denoiser of actions that are always `place`: a teacher, or its student."""

    def __init__(self, schedule, place, distilled):
        super().__init__()
        self.schedule, self.place, self.distilled = schedule, place, distilled
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, noisy, steps, condition):
        if not self.distilled:
            return torch.full_like(noisy, self.place) + self.weight
        share_x, share_clean = boundary(self.schedule.alphas_bar[steps][:, None, None])
        return ((self.place - share_x * noisy) / share_clean + self.weight).float()


@pytest.mark.parametrize('stride', [1, 10, 50])
def test_nothing_is_left_to_learn_for_a_perfect_student(task, make_recipe, stride):
    """To a point the flow is a straight line: DDIM is exact at any stride, and f is the point."""
    recipe = make_recipe(diffusion={'prediction': 'sample'})
    policies = [DiffusionPolicy(task, recipe) for _ in range(2)]
    for policy in policies:
        policy.fit(torch.rand(16, 2, 2), torch.rand(16, 8, 2))
    teacher, pupil = policies
    pupil.load_state_dict(teacher.state_dict())
    actions = teacher.decode(torch.zeros(16, 2, 2), torch.full((16, 8, 2), 0.3)).detach()
    data = Windows(np.zeros((16, 2, 2), np.float32), actions.numpy())
    teacher.denoiser = Known(teacher.schedule, 0.3, distilled=False)
    pupil.denoiser = Known(teacher.schedule, 0.3, distilled=True)
    job = StudentJob(pupil, teacher, settings(stride=stride), data, data)
    job.average = copy.deepcopy(pupil)
    extra = job.chance(16, torch.Generator().manual_seed(0))
    draw = Draw(torch.arange(16), torch.arange(16), extra)
    examples = Examples(Observations(torch.zeros(16, 2, 2)), actions)
    assert job.loss(examples, draw).item() < 1e-4
    with torch.no_grad():
        pupil.denoiser.weight += 0.1
    assert job.loss(examples, draw).item() > 1e-3


def test_a_run_that_was_interrupted_goes_on_to_the_bit(teacher, tmp_path):
    how = settings(12, save_every=4)

    def stop(progress):
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distill(teacher, how, two_ways(), two_ways(), tmp_path / 'cut', report=stop)
    told = []
    cut = distill(teacher, how, two_ways(), two_ways(), tmp_path / 'cut', report=told.append)
    assert told[0].step == 5
    whole = distill(teacher, how, two_ways(), two_ways(), tmp_path / 'whole').state_dict()
    assert all(torch.equal(whole[name], value) for name, value in cut.state_dict().items())
    assert yamlfile.load(Distillation, tmp_path / 'cut' / RECIPE) == how
    with pytest.raises(ResumeError, match='another distillation; give another'):
        distill(teacher, settings(12, save_every=4, stride=2), two_ways(), two_ways(),
                tmp_path / 'cut')  # fmt: skip


def test_a_policy_that_knows_a_prefix_is_distilled_with_it(task, make_recipe, tmp_path):
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, make_recipe(diffusion=SAMPLE | {'prefix': {'most': 3}}))
    data = two_ways()
    policy.fit(torch.rand(9, 2, 2), torch.rand(9, 8, 2))
    loaded = saved(policy, tmp_path / 'teacher')
    student = distill(loaded, settings(3), data, data, tmp_path / 'run')
    assert student.recipe.diffusion.prefix == policy.recipe.diffusion.prefix
    engine = Engine(student, transition='prefix')
    plan = np.full((8, 2), 0.5)
    found = engine.predict(np.zeros((2, 2)), np.zeros((1, 8, 2)), None, plan, 3)
    now = task.horizons.now
    np.testing.assert_allclose(found[: now + 3], 0.5, atol=1e-5)


def test_a_policy_that_sees_is_distilled_and_its_encoders_stay(
    image_task, make_recipe, look, images, tmp_path
):
    torch.manual_seed(0)
    policy = DiffusionPolicy(image_task, make_recipe(vision=look, diffusion=SAMPLE))
    policy.fit(torch.from_numpy(images.observations), torch.from_numpy(images.actions))
    loaded = saved(policy, tmp_path / 'teacher')
    student = distill(loaded, settings(2), images, images, tmp_path / 'run')
    before, after = loaded.policy.state_dict(), student.state_dict()
    changed = {name.split('.')[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {'denoiser'}


def test_what_cannot_be_distilled_or_denoised_is_a_sentence(
    task, make_recipe, teacher, student, tmp_path
):
    with pytest.raises(ValueError, match=f"'checkpoint' is a student of {teacher.identity}"):
        student_recipe(student, settings())
    network = {'kind': 'unet', 'widths': [16], 'step_embedding': 16, 'condition': 'inpainting'}
    painter = DiffusionPolicy(task, make_recipe(network=network))
    with pytest.raises(ValueError, match='denoises its observations beside the actions'):
        student_recipe(Checkpoint('painter', 'ffff', painter), settings())
    guessing = DiffusionPolicy(task, make_recipe(diffusion={'prediction': 'epsilon'}))
    with pytest.raises(ValueError, match=r"'guessing' predicts the noise .* prediction: sample"):
        student_recipe(Checkpoint('guessing', 'ffff', guessing), settings())
    with pytest.raises(ValueError, match='its sampler is consistency, not ddim'):
        student.policy.with_sampler('ddim')
    with pytest.raises(ValueError, match='consistency is for policies that dp-ros distill'):
        teacher.policy.with_sampler('consistency')
    with pytest.raises(ValueError, match='51 denoising steps asked of a schedule of 50'):
        student.policy.with_sampler(steps=51)
    with pytest.raises(ValueError, match='use dp-ros distill'):
        train(task, student.policy.recipe, two_ways(), two_ways(), tmp_path)


def test_another_sampler_leaves_the_options_of_the_first_behind(task, make_recipe):
    policy = DiffusionPolicy(task, make_recipe(diffusion={'eta': 0.5, 'inference_steps': 7}))
    assert policy.with_sampler(steps=3).recipe.diffusion.eta == 0.5
    changed = policy.with_sampler('ddpm')
    assert changed.recipe.diffusion.eta == 0
    assert len(changed.inference_steps) == 7
    assert Recipe.model_validate(changed.recipe.model_dump(mode='json')) == changed.recipe


def test_the_command_distils_and_evaluate_chooses_sampler_and_steps(dp_ros, make_recipe, tmp_path):
    arcs = tmp_path / 'arcs.zarr'
    code, said = dp_ros('dataset', 'generate', 'two_arcs', '--episodes', 4, '-o', arcs)
    assert code == 0, said
    for name, recipe in (
        ('recipe.yaml', make_recipe(optimiser={'steps': 2}, diffusion=SAMPLE)),
        ('how.yaml', settings(2)),
    ):
        (tmp_path / name).write_text(yamlfile.dump(recipe))
    teacher, student = tmp_path / 'teacher', tmp_path / 'student'
    given = ('--recipe', tmp_path / 'recipe.yaml', '--task', 'two_arcs', '-o', teacher)
    assert dp_ros('train', arcs, *given)[0] == 0
    code, said = dp_ros(
        'distill', teacher / 'checkpoint', arcs, '--recipe', tmp_path / 'how.yaml', '-o', student
    )
    assert code == 0, said
    taught = checkpoint.load(teacher / 'checkpoint')
    assert f'teacher: checkpoint ({taught.identity}); 4 episodes' in said
    assert 'step 2: action error' in said
    assert checkpoint.load(student / 'checkpoint').identity in said

    out = ('--episodes', 1, '-o', tmp_path / 'out')
    code, said = dp_ros('evaluate', student / 'checkpoint', '--inference-steps', 2, *out)
    assert code == 0, said
    assert '2 denoising steps (consistency)' in said
    code, said = dp_ros(
        'evaluate', teacher / 'checkpoint', '--sampler', 'dpm_solver', '--inference-steps', 3, *out
    )
    assert code == 0, said
    assert '3 denoising steps (dpm_solver)' in said
    assert 'ms of CPU a chunk' in said
    code, said = dp_ros('evaluate', student / 'checkpoint', '--sampler', 'ddim', *out)
    assert code == 1
    assert 'its sampler is consistency, not ddim' in said
