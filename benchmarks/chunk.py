"""How long a chunk takes: `python -m benchmarks.chunk [--quick] [--only '66 M']`.

The reference is what people run: the same weights in plain PyTorch, one call of the network after
the other, with the scheduler of diffusers, and all T_o frames of every camera encoded for each
chunk. Ours is the engine that a robot runs, by ONNX Runtime (device cpu) and by OpenVINO (device
openvino); of every camera one frame is new in each chunk. All use one thread and take turns, so
that they see the same machine; a chunk is everything from the observation window to actions in
task units. CPU time is that of the process: unlike the time on the wall it does not count what
other programs took.
"""

import gc
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

from benchmarks import report
from dp_ros import yamlfile
from dp_ros.learning.engine import Engine
from dp_ros.learning.graph_cache import Keep
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.paths import share
from dp_ros.task import Task, load_task

REFERENCE = 'plain PyTorch (inference mode) with DDIMScheduler or DDPMScheduler of diffusers'
SAMPLERS = {'DDIM-8': ('ddim', 8), 'DDIM-16': ('ddim', 16), 'DDPM-100': ('ddpm', 100)}
UNET = {'kind': 'unet', 'step_embedding': 64}
RESNET = {'kind': 'resnet18', 'crop': 0.875}
WARM_UP = 1
OURS = {'ours': 'cpu', 'ours_openvino': 'openvino'}
LARGE = ('66 M U-Net', '253 M U-Net')  # minutes for each DDPM-100


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


class Reference:
    """A policy as `REFERENCE` says."""

    def __init__(self, policy: DiffusionPolicy) -> None:
        self._policy = policy
        diffusion = policy.recipe.diffusion
        kind = DDIMScheduler if diffusion.sampler == 'ddim' else DDPMScheduler
        self._scheduler = kind(
            num_train_timesteps=diffusion.training_steps,
            beta_schedule='squaredcos_cap_v2',
            clip_sample=True,
            prediction_type='epsilon',
        )
        self._scheduler.set_timesteps(diffusion.inference_steps)
        # As in our sampler the noise follows from the clipped sample.
        ddim = diffusion.sampler == 'ddim'
        self._options = {'use_clipped_model_output': True} if ddim else {}

    @torch.inference_mode()
    def predict(
        self, vector: np.ndarray, noise: np.ndarray, frames: dict[str, list[Any]]
    ) -> np.ndarray:
        """A chunk (T_p, A), from what Engine.predict takes."""
        policy = self._policy
        window = torch.from_numpy(vector)[None]
        images = {
            name: torch.from_numpy(np.stack([image for _, image in steps]))[None]
            for name, steps in frames.items()
        }
        seen = policy.look(Observations(window, images))
        condition = policy.condition(window, seen)
        x = torch.from_numpy(noise)
        for step in self._scheduler.timesteps:
            output = policy.denoiser(x, step[None], condition)
            x = self._scheduler.step(output, step, x, **self._options).prev_sample
        return policy.decode(window, x)[0].numpy()


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


def measure(case: Case, sampler: str, seconds: float, keep: Keep) -> dict[str, Any]:
    """All in turns until they have had `seconds` of CPU time, three times at least."""
    busy, policy = report.busy_cores(), policy_of(case, sampler)
    engines = {name: Engine(policy, device, keep=keep) for name, device in OURS.items()}
    reference, given = Reference(policy), windows(policy)
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ('reference', *OURS)}
    apart = 0.0
    for repetition in range(1000):
        window = next(given)
        expected, *times = timed(reference.predict, *window)
        if repetition >= WARM_UP:
            took['reference'].append(tuple(times))
        for name, engine in engines.items():
            found, *times = timed(engine.predict, *window)
            if sampler.startswith('DDIM'):  # DDPM draws noise of its own
                apart = max(apart, float(np.abs(found - expected).max()))
            if repetition >= WARM_UP:
                took[name].append(tuple(times))
        spent = sum(cpu for rows in took.values() for cpu, _ in rows)
        if repetition >= WARM_UP + 2 and spent >= seconds:
            break
    found_figures: dict[str, Any] = {
        'network': case.name,
        'parameters': sum(p.numel() for p in policy.denoiser.parameters()),
        'sees': case.sees,
        'sampler': sampler,
        'chunks': len(took['reference']),
        'largest_difference': apart if sampler.startswith('DDIM') else None,
        'command': report.command(),
        'busy_before': busy,
    }
    for name, rows in took.items():
        cpu, wall = (np.array(column) * 1e3 for column in zip(*rows, strict=True))
        found_figures[name] = {'cpu_ms': report.spread(cpu), 'wall_ms': report.spread(wall)}
        found_figures[name]['least_cpu_ms'] = round(float(cpu.min()), 3)
    theirs = found_figures['reference']
    for name in OURS:
        ours = found_figures[name]
        for kind in ('cpu', 'wall'):
            median, own = theirs[f'{kind}_ms']['p50'], ours[f'{kind}_ms']['p50']
            ours[f'ratio_{kind}'] = round(median / own, 2)
        ours['ratio_least_cpu'] = round(theirs['least_cpu_ms'] / ours['least_cpu_ms'], 2)
    steps = SAMPLERS[sampler][1]
    gflop = steps * flops(policy) / 1e9
    found_figures['network_gflop'] = round(gflop, 3)
    if case.vision is None:
        for name in took:
            found_figures[name]['gflop_per_s'] = round(
                gflop / found_figures[name]['least_cpu_ms'] * 1e3, 1
            )
    return found_figures


def _memory() -> Keep:
    """Graphs of one case: they do not depend on the sampler."""
    graphs: dict[str, bytes] = {}

    def keep(name: str, export: Callable[[], bytes]) -> bytes:
        if name not in graphs:
            graphs[name] = export()
        return graphs[name]

    return keep


def timed(call: Callable[..., Any], *given: Any) -> tuple[Any, float, float]:
    """What it answers, its CPU time and its time on the wall [s]."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = call(*given)
    return found, time.process_time() - cpu, time.perf_counter() - wall


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


def row(figures: dict[str, Any]) -> list[str]:
    """A line of the table, times in milliseconds."""

    def times(name: str, kind: str) -> str:
        spread = figures[name][f'{kind}_ms']
        return f'{spread["p50"]:.3g} / {spread["p99"]:.3g}'

    def ratios(kind: str) -> str:
        return ' / '.join(f'{figures[name][f"ratio_{kind}"]:.1f}' for name in OURS)

    return [
        figures['network'], figures['sees'], figures['sampler'],
        *(times(name, 'cpu') for name in ('reference', *OURS)),
        ratios('cpu'), ratios('least_cpu'), ratios('wall'), str(figures['chunks']),
    ]  # fmt: skip


HEADINGS = [
    'network', 'sees', 'sampler', 'reference, p50 / p99', 'ONNX Runtime', 'OpenVINO', 'ratios',
    'of the least', 'by the clock', 'chunks',
]  # fmt: skip


def main() -> None:
    """Measure, print, and write the page."""
    options = report.options(__doc__ or '', 20.0)
    options.add_argument('--only', default='', help='networks with this in their name or view')
    given = options.parse_args()
    about = report.machine()
    torch.set_num_threads(1)
    seconds = min(given.seconds, 4.0) if given.quick else given.seconds
    known = {key(figures): figures for figures in _known()} if given.only else {}
    for case in cases():
        if given.only not in f'{case.name}, {case.sees}':
            continue
        keep = _memory()
        for sampler in case.samplers:
            if given.quick and case.name in LARGE and sampler == 'DDPM-100':
                continue
            figures = measure(case, sampler, seconds, keep)
            known[key(figures)] = figures
            gc.collect()
            _publish(known, about)


def _publish(known: dict[tuple[str, str, str], dict[str, Any]], about: dict[str, Any]) -> None:
    """After each measurement: one that is ended early leaves the others."""
    places = [(c.name, c.sees, s) for c in cases() for s in c.samplers]
    found = [known[place] for place in places if place in known]
    headlines = [
        report.Headline(
            f'chunk, {f["network"]}, {f["sees"]}, {f["sampler"]}: CPU p50',
            ' / '.join(f'{f[name]["cpu_ms"]["p50"]:.3g} ms' for name in OURS),
            f'{f["reference"]["cpu_ms"]["p50"]:.3g} ms',
        )
        for f in found
        if f['sampler'] == 'DDIM-16'
    ]
    report.publish(
        report.Result(
            'chunk',
            'One chunk on one core, in milliseconds of CPU time, against plain PyTorch with a '
            'scheduler of diffusers, and how many times as long that took (ONNX Runtime / '
            'OpenVINO)',
            REFERENCE,
            HEADINGS,
            [row(figures) for figures in found],
            headlines,
            found,
        ),
        about,
    )


def key(figures: dict[str, Any]) -> tuple[str, str, str]:
    """What tells one measurement from another."""
    return figures['network'], figures['sees'], figures['sampler']


def _known() -> list[dict[str, Any]]:
    """The figures of the last time, of which `--only` renews some."""
    file = report.RESULTS / 'chunk.json'
    found = json.loads(file.read_text())['figures'] if file.exists() else []
    return [figures for figures in found if all(name in figures for name in OURS)]


if __name__ == '__main__':
    main()
