"""How long a chunk takes: `python -m benchmarks.chunk [--quick] [--only '66 M'] [--device cuda]`.

The reference is what people run: the same weights in plain PyTorch, one call of the network after
the other, with the scheduler of diffusers, and all T_o frames of every camera encoded for each
chunk. Ours is the engine that a robot runs, in each way of running it; of every camera one frame
is new in each chunk. All use one thread and take turns, so that they see the same machine; a chunk
is everything from the observation window to actions in task units. On a CPU the time is that of
the process: unlike the time on the wall it does not count what other programs took.
"""

import gc
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks import report
from benchmarks.chunk_cases import LARGE, SAMPLERS, Case, cases, flops, policy_of, windows
from benchmarks.chunk_reference import REFERENCE, Reference
from benchmarks.chunk_setups import Ours, Setup, on_a_cpu, on_a_gpu
from dp_ros.learning.engine import Engine
from dp_ros.learning.graph_cache import Keep
from dp_ros.learning.policy import DiffusionPolicy

WARM_UP = 1


def measure(setup: Setup, case: Case, sampler: str, seconds: float, keep: Keep) -> dict[str, Any]:
    """All in turns until they have had `seconds`, three times at least."""
    busy, policy = report.busy_cores(), policy_of(case, sampler)
    engines = {each.name: _engine(each, policy, keep) for each in setup.ours}
    reference, given = Reference(policy, setup.device), windows(policy)
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ('reference', *engines)}
    apart = dict.fromkeys(engines, 0.0)
    for repetition in range(100_000):
        window = next(given)
        expected, *times = timed(reference.predict, *window)
        if repetition >= WARM_UP:
            took['reference'].append(tuple(times))
        for name, engine in engines.items():
            found, *times = timed(engine.predict, *window)
            apart[name] = max(apart[name], float(np.abs(found - expected).max()))
            if repetition >= WARM_UP:
                took[name].append(tuple(times))
        spent = sum(cpu for rows in took.values() for cpu, _ in rows)
        if repetition >= WARM_UP + 2 and spent >= seconds:
            break
    steps = SAMPLERS[sampler][1]
    gflop = steps * flops(policy) / 1e9
    found_figures: dict[str, Any] = {
        'network': case.name,
        'parameters': sum(p.numel() for p in policy.denoiser.parameters()),
        'sees': case.sees,
        'sampler': sampler,
        'steps': steps,
        'chunks': len(took['reference']),
        # DDPM draws noise of its own.
        'largest_difference': apart if sampler.startswith('DDIM') else None,
        'network_gflop': round(gflop, 3),
        'command': report.command(),
        'busy_before': busy,
    }
    for name, rows in took.items():
        found_figures[name] = _figures(rows, gflop if case.vision is None else None)
    for name in engines:
        _compare(found_figures[name], found_figures['reference'])
    return found_figures


def _engine(ours: Ours, policy: DiffusionPolicy, keep: Keep) -> Engine:
    """Warm, so that what it records is recorded as precisely as it was told.

    torch's settings of TF32, which are those of the whole process, are left as they were.
    """
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    engine = Engine(policy, ours.device, keep=keep, precision=ours.precision)
    engine.warm_up()
    for backend, was in zip(backends, before, strict=True):
        backend.allow_tf32 = was
    return engine


def _figures(rows: list[tuple[float, float]], gflop: float | None) -> dict[str, Any]:
    cpu, wall = (np.array(column) * 1e3 for column in zip(*rows, strict=True))
    least = float(cpu.min())
    found = {
        'cpu_ms': report.spread(cpu),
        'wall_ms': report.spread(wall),
        'least_cpu_ms': round(least, 3),
    }
    return found if gflop is None else found | {'gflop_per_s': round(gflop / least * 1e3, 1)}


def _compare(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Add how many times as long the reference took."""
    for kind in ('cpu', 'wall'):
        median, own = theirs[f'{kind}_ms']['p50'], ours[f'{kind}_ms']['p50']
        ours[f'ratio_{kind}'] = round(median / own, 2)
    ours['ratio_least_cpu'] = round(theirs['least_cpu_ms'] / ours['least_cpu_ms'], 2)


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


def main() -> None:
    """Measure, print, and write the page."""
    options = report.options(__doc__ or '', 20.0)
    options.add_argument('--only', default='', help='networks with this in their name or view')
    options.add_argument('--device', default='cpu', help='cpu, or a GPU: cuda, cuda:1 ...')
    given = options.parse_args()
    if given.device != 'cpu' and not torch.cuda.is_available():
        options.error(f'device {given.device!r} was asked for, but torch sees no GPU')
    about = report.machine()
    torch.set_num_threads(1)
    setup = on_a_cpu() if given.device == 'cpu' else on_a_gpu(given.device)
    seconds = min(given.seconds, 4.0) if given.quick else given.seconds
    known = {key(figures): figures for figures in _known(setup)} if given.only else {}
    for case in cases():
        if given.only not in f'{case.name}, {case.sees}':
            continue
        keep = _memory()
        for sampler in case.samplers:
            if given.quick and case.name in LARGE and sampler == 'DDPM-100':
                continue
            figures = measure(setup, case, sampler, seconds, keep)
            known[key(figures)] = figures
            gc.collect()
            _publish(setup, known, about)


def _publish(
    setup: Setup, known: dict[tuple[str, str, str], dict[str, Any]], about: dict[str, Any]
) -> None:
    """After each measurement: one that is ended early leaves the others."""
    places = [(c.name, c.sees, s) for c in cases() for s in c.samplers]
    found = [known[place] for place in places if place in known]
    clock = f'{setup.clock}_ms'
    headlines = [
        report.Headline(
            f'chunk, {f["network"]}, {f["sees"]}, {f["sampler"]}: p50',
            ' / '.join(f'{f[name][clock]["p50"]:.3g} ms' for name in setup.names),
            f'{f["reference"][clock]["p50"]:.3g} ms',
        )
        for f in found
        if f['sampler'] == 'DDIM-16'
    ]
    ways = ' / '.join(each.heading for each in setup.ours)
    report.publish(
        report.Result(
            setup.name,
            f'{setup.title} ({ways})',
            REFERENCE,
            setup.headings,
            [setup.row(figures) for figures in found],
            headlines,
            found,
        ),
        about,
    )


def key(figures: dict[str, Any]) -> tuple[str, str, str]:
    """What tells one measurement from another."""
    return figures['network'], figures['sees'], figures['sampler']


def _known(setup: Setup) -> list[dict[str, Any]]:
    """The figures of the last time, of which `--only` renews some."""
    file = report.RESULTS / f'{setup.name}.json'
    found = json.loads(file.read_text())['figures'] if file.exists() else []
    return [figures for figures in found if all(name in figures for name in setup.names)]


if __name__ == '__main__':
    main()
