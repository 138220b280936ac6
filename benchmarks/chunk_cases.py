"""What the chunk benchmark measures: networks, what they see, and the windows that they get."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dp_ros import yamlfile
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.paths import share
from dp_ros.task import Task, load_task

SAMPLERS = {'DDIM-8': ('ddim', 8), 'DDIM-16': ('ddim', 16), 'DDPM-100': ('ddpm', 100)}
UNET = {'kind': 'unet', 'step_embedding': 64}
RESNET = {'kind': 'resnet18', 'crop': 0.875}
LARGE = ('66 M U-Net', '253 M U-Net')  # on a CPU minutes for each DDPM-100


@dataclass(frozen=True)
class Case:
    """A network and what it sees; cameras: sizes (width, height) of prepared frames."""

    name: str
    network: dict[str, Any]
    cameras: tuple[tuple[int, int], ...] = ()
    vision: dict[str, Any] | None = None
    samplers: tuple[str, ...] = tuple(SAMPLERS)

    @property
    def sees(self) -> str:
        """In words."""
        if self.vision is None:
            return 'state'
        width, height = self.cameras[0]
        return f'{len(self.cameras)} x {width}x{height}, {self.vision["kind"]}'


def cases() -> list[Case]:
    """The networks of config/training, and one between the first two."""
    paper = {name: _network(f'paper_{name}') for name in ('transformer', 'unet_state')}
    paper_image = _network('paper_unet_image')
    ours = _network('pusht_cell')
    middle = UNET | {'widths': [64, 128, 256], 'step_embedding': 128}
    small, ddim = ((96, 96), (96, 96)), ('DDIM-8', 'DDIM-16')
    return [
        Case('1.2 M U-Net', ours),
        Case('4.6 M U-Net', middle),
        Case('9 M transformer', paper['transformer']),
        Case('66 M U-Net', paper['unet_state']),
        Case('253 M U-Net', paper_image),
        Case('1.2 M U-Net', ours, small, {'kind': 'small'}, ddim),
        Case('66 M U-Net', paper['unet_state'], small, RESNET, ('DDIM-16',)),
        Case('1.2 M U-Net', ours, ((320, 240), (320, 240)), RESNET, ddim),
    ]


def _network(name: str) -> dict[str, Any]:
    recipe = yamlfile.load(Recipe, share('config', 'training', f'{name}.yaml'))
    return recipe.model_dump()['network']


def task_of(case: Case) -> Task:
    """Push-T as the shipped models know it, and the cameras of the case beside it."""
    task = load_task(share('models', 'pusht_cell', 'task.yaml'))
    given = task.model_dump(mode='json')
    for number, size in enumerate(case.cameras):
        camera = {'type': 'image', 'name': f'camera_{number}', 'width': 640, 'height': 480}
        given['observations'].append(camera | {'size': size})
    return yamlfile.parse(Task, given, 'task of the benchmark')


def policy_of(case: Case, sampler: str) -> DiffusionPolicy:
    """A policy with random weights."""
    kind, steps = SAMPLERS[sampler]
    # The steps that diffusers visits unless told otherwise.
    diffusion = {
        'prediction': 'epsilon',
        'sampler': kind,
        'inference_steps': steps,
        'spacing': 'leading',
    }
    recipe = yamlfile.parse(
        Recipe,
        {
            'network': case.network,
            'features': {'kind': 'plain'},
            'vision': case.vision,
            'diffusion': diffusion,
            'optimiser': {'steps': 1, 'batch': 1, 'learning_rate': 1e-4},
        },
        'recipe of the benchmark',
    )
    torch.manual_seed(0)
    task = task_of(case)
    policy = DiffusionPolicy(task, recipe)
    horizons = task.horizons
    policy.fit(
        torch.rand(50, horizons.observation, task.observation_dim),
        torch.rand(50, horizons.prediction, task.action_dim),
    )
    return policy.eval()


def windows(policy: DiffusionPolicy) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """Window, noise and frames without end; of every camera one frame is new each time."""
    rng, task = np.random.default_rng(0), policy.task
    kept: dict[str, list[Any]] = {camera.name: [] for camera in task.cameras}
    length, stamp = task.horizons.observation, 0
    while True:
        for camera in task.cameras:
            steps = kept[camera.name]
            for _ in range(1 if steps else length):
                image = rng.integers(0, 256, (*camera.size[::-1], 3), np.uint8)
                steps.append((stamp := stamp + 1, image))
            del steps[:-length]
        vector = rng.uniform(0, 1, (length, task.observation_dim)).astype(np.float32)
        noise = rng.normal(size=(1, *policy.noise_shape)).astype(np.float32)
        yield vector, noise, {name: list(steps) for name, steps in kept.items()}


def flops(policy: DiffusionPolicy) -> float:
    """Floating-point operations of matrices in one step: a product and a sum for each weight."""
    total = 0.0

    def count(layer: Any, given: Any, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, torch.nn.ConvTranspose1d):
            times = given[0].shape[-1]
        elif isinstance(layer, torch.nn.Conv1d):
            times = output.shape[-1]
        else:
            times = output.numel() // output.shape[-1]
        total += 2 * layer.weight.numel() * times

    kinds = (torch.nn.Conv1d, torch.nn.ConvTranspose1d, torch.nn.Linear)
    layers = [m for m in policy.denoiser.modules() if isinstance(m, kinds)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.inference_mode():
        policy.denoiser(
            torch.zeros(1, *policy.input_shape),
            torch.zeros(1, dtype=torch.int64),
            torch.zeros(1, policy.condition_dim),
        )
    for hook in hooks:
        hook.remove()
    return total
