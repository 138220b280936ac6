"""Where chunks are measured, in which ways the engine runs there, and the columns of the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dp_ros.learning.openvino_network import require_bfloat16

COPIED_BYTES = 1 << 30


@dataclass(frozen=True)
class Ours:
    """A way of running the engine: its name in the figures, and above its column."""

    name: str
    heading: str
    device: str
    precision: str = 'float32'


@dataclass(frozen=True)
class Setup:
    """name: of the results; title: of the table; device: of the reference, in words of torch.

    clock: cpu (time of the process) or wall; last: headings of the last columns, and what stands
    in them for the figures of a case.
    """

    name: str
    title: str
    device: str
    clock: str
    ours: tuple[Ours, ...]
    last: dict[str, Callable[[dict[str, Any]], str]]

    @property
    def headings(self) -> list[str]:
        """Of all columns."""
        own = (each.heading for each in self.ours)
        return ['network', 'sees', 'sampler', 'reference, p50 / p99', *own, 'ratios', *self.last]

    def row(self, figures: dict[str, Any]) -> list[str]:
        """A line of the table, times in milliseconds."""

        def times(name: str) -> str:
            spread = figures[name][f'{self.clock}_ms']
            return f'{spread["p50"]:.3g} / {spread["p99"]:.3g}'

        return [
            figures['network'], figures['sees'], figures['sampler'],
            *(times(name) for name in ('reference', *self.names)),
            _ratios(self.ours, figures, f'ratio_{self.clock}'),
            *(column(figures) for column in self.last.values()),
        ]  # fmt: skip

    @property
    def names(self) -> list[str]:
        """Of ours."""
        return [each.name for each in self.ours]


def _ratios(ours: Sequence[Ours], figures: dict[str, Any], kind: str) -> str:
    return ' / '.join(f'{figures[each.name][kind]:.1f}' for each in ours)


def on_a_cpu() -> Setup:
    """One core; in bfloat16, too, if it has instructions for that."""
    ours = [Ours('ours', 'ONNX Runtime', 'cpu'), Ours('ours_openvino', 'OpenVINO', 'openvino')]
    try:
        require_bfloat16()
    except ValueError as error:
        print(f'not measured in bfloat16: {error}')
    else:
        ours.append(Ours('ours_bfloat16', 'OpenVINO, bfloat16', 'openvino', 'bf16'))
    title = (
        'One chunk on one core, in milliseconds of CPU time, against plain PyTorch with a '
        'scheduler of diffusers, and how many times as long that took'
    )
    last = {
        'of the least': lambda figures: _ratios(ours, figures, 'ratio_least_cpu'),
        'by the clock': lambda figures: _ratios(ours, figures, 'ratio_wall'),
        'chunks': lambda figures: str(figures['chunks']),
    }
    return Setup('chunk', title, 'cpu', 'cpu', tuple(ours), last)


def on_a_gpu(device: str) -> Setup:
    """By the clock, in all precisions; beside it the least time that reading the weights takes."""
    ours = [Ours('ours', 'float32', device), Ours('ours_tf32', 'tf32', device, 'tf32')]
    ours.append(Ours('ours_bfloat16', 'bfloat16', device, 'bf16'))
    bytes_per_s = bandwidth(device)
    title = (
        f'One chunk on {torch.cuda.get_device_name(device)}, in milliseconds by the clock, '
        f'against plain PyTorch with a scheduler of diffusers, and how many times as long that '
        f'took; floor: the weights of the denoiser in float32, read once a step at '
        f'{bytes_per_s / 1e12:.2f} TB/s, which a copy of 1 GiB reaches here'
    )

    def floor_ms(figures: dict[str, Any]) -> float:
        read = 4 * figures['parameters'] * figures['steps']
        return float(1e3 * read / bytes_per_s)

    def times(figures: dict[str, Any], which: str) -> list[float]:
        return [figures[each.name]['wall_ms'][which] for each in ours]

    last = {
        'p99 / p50': lambda f: ' / '.join(
            f'{high / low:.2f}' for high, low in zip(times(f, 'p99'), times(f, 'p50'), strict=True)
        ),
        'floor': lambda f: f'{floor_ms(f):.3g}',
        'over the floor': lambda f: ' / '.join(
            f'{p50 / floor_ms(f):.1f}' for p50 in times(f, 'p50')
        ),
        'chunks': lambda f: str(f['chunks']),
    }
    return Setup('chunk_gpu', title, device, 'wall', tuple(ours), last)


def bandwidth(device: str) -> float:
    """Bytes a second that a copy on the GPU reads and writes, the best of ten."""
    source = torch.zeros(COPIED_BYTES // 4, device=device)
    target, took = torch.empty_like(source), []
    for _ in range(10):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        target.copy_(source)
        end.record()
        end.synchronize()
        took.append(begin.elapsed_time(end) / 1e3)
    return 2 * COPIED_BYTES / min(took)
