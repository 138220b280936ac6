"""From images to actions: what moves the arm draws digits.

    .venv/bin/python -m examples.digits              trains (two minutes), writes docs/digits.png
    .venv/bin/python -m examples.digits --noising    writes docs/noising.png

An image of 8 x 8 pixels is given to the denoiser of a policy as a chunk of 8 actions of 8 numbers,
and the class that is asked for in place of what was observed. Schedule, loss, averaged weights,
sampler and guidance are those of dp_ros/learning.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from torch import Tensor

from dp_ros.learning import sampler
from dp_ros.learning.dpm_solver import DPMSolver
from dp_ros.learning.ema import ExponentialMovingAverage
from dp_ros.learning.guidance import ClassifierFree, dropped
from dp_ros.learning.mlp import MLPDenoiser
from dp_ros.learning.schedule import NoiseSchedule

CLASSES, SIDE, BRIGHTEST = 10, 8, 16
SCHEDULE = NoiseSchedule.named('squared_cosine', 100)
STEPS = sampler.inference_steps(SCHEDULE.steps, 20, 'trailing')
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0)
DROP = 0.15  # how often a class is not told, so that the network learns to do without
HELD_OUT = 300
DOCS = Path(__file__).resolve().parents[1] / 'docs'


@dataclass(frozen=True)
class Digits:
    """Images (N, 8, 8) in [-1, 1] and their classes (N,)."""

    images: Tensor
    classes: Tensor

    @classmethod
    def real(cls) -> tuple['Digits', 'Digits']:
        """Those of scikit-learn: to learn from, and held out."""
        images, classes = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(classes))
        shown = torch.from_numpy(images[order]).float().reshape(-1, SIDE, SIDE)
        known = cls(shown / (BRIGHTEST / 2) - 1, torch.from_numpy(classes[order]))
        return known[HELD_OUT:], known[:HELD_OUT]

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, rows: slice) -> 'Digits':
        return Digits(self.images[rows], self.classes[rows])


def told(classes: Tensor) -> Tensor:
    """Classes (B,) as conditions (B, 10)."""
    return torch.nn.functional.one_hot(classes, CLASSES).float()


def train(digits: Digits, steps: int, batch: int = 128, rate: float = 1e-3) -> MLPDenoiser:
    """A denoiser of digits, with and without their class; its averaged weights."""
    torch.manual_seed(0)
    denoiser = MLPDenoiser(SIDE, SIDE, CLASSES, width=384, blocks=4)
    average = ExponentialMovingAverage(denoiser, power=0.75, largest=0.999)
    optimiser = torch.optim.AdamW(denoiser.parameters(), rate, weight_decay=1e-4)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        rows = torch.randint(len(digits), (batch,))
        clean, condition = digits.images[rows], told(digits.classes[rows])
        noise, levels = torch.randn_like(clean), torch.randint(SCHEDULE.steps, (batch,))
        noisy = SCHEDULE.add_noise(clean, noise, levels)
        output = denoiser(noisy, levels, dropped(condition, torch.rand(batch) < DROP))
        loss = ((output - SCHEDULE.target('v', clean, noise, levels)) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
        average.update(denoiser, step)
        if (step + 1) % 500 == 0:
            print(f'step {step + 1} of {steps}: loss {loss.item():.3f}', flush=True)
    return average.model


@torch.no_grad()
def generate(denoiser: MLPDenoiser, classes: Tensor, weight: float, seed: int) -> Tensor:
    """Images (B, 8, 8) of `classes` (B,), guided by `weight`: 0 is unconditional."""
    guided, condition = ClassifierFree(denoiser, weight), told(classes)

    def denoise(x: Tensor, step: int) -> Tensor:
        return guided(x, torch.full((len(x),), step), condition)

    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(classes), SIDE, SIDE, generator=generator)
    return sampler.sample(DPMSolver(), denoise, noise, SCHEDULE, STEPS, 'v')


class Judge:
    """A classifier that has seen real digits only."""

    def __init__(self, real: Digits) -> None:
        self._machine = SVC().fit(_flat(real.images), real.classes.numpy())

    def share(self, digits: Digits) -> float:
        """Share of the images that it takes for their class."""
        return float(self._machine.score(_flat(digits.images), digits.classes.numpy()))


def spread(digits: Digits) -> float:
    """Mean standard deviation of a pixel [0 .. 16] among the images of one class."""
    of_class = [digits.images[digits.classes == c].std(0).mean() for c in range(CLASSES)]
    return float(torch.stack(of_class).mean()) * BRIGHTEST / 2


def nearest(images: Tensor, real: Digits) -> float:
    """Median distance of an image from the nearest one that was learned from."""
    return float(torch.cdist(images.flatten(1), real.images.flatten(1)).amin(1).median())


def _flat(images: Tensor) -> NDArray[np.float32]:
    return images.flatten(1).numpy()


def report(denoiser: MLPDenoiser, known: Digits, held_out: Digits, each: int) -> None:
    """Print a table: what the judge says of `each` images of each class, for each weight."""
    judge = Judge(known)
    print('| weight | of the asked class | spread | to the nearest learned image |')
    print('|---|---|---|---|')
    classes = torch.arange(CLASSES).repeat_interleave(each)
    for weight in WEIGHTS:
        made = Digits(generate(denoiser, classes, weight, seed=1), classes)
        print(_row(f'{weight:g}', judge, made, known))
    print(_row('real, held out', judge, held_out, known))


def _row(name: str, judge: Judge, digits: Digits, known: Digits) -> str:
    far = nearest(digits.images, known)
    return f'| {name} | {judge.share(digits):.1%} | {spread(digits):.2f} | {far:.2f} |'


def main() -> None:
    """Train, judge, draw."""
    parser = argparse.ArgumentParser(description='Draws digits with the parts of a policy.')
    parser.add_argument('--noising', action='store_true', help='draw the forward process only')
    parser.add_argument('--steps', type=int, default=3000, help='of training')
    parser.add_argument('--each', type=int, default=200, help='images of a class in the table')
    parser.add_argument('-o', '--out', type=Path, default=DOCS, help='folder of the picture')
    given = parser.parse_args()
    torch.set_num_threads(1)
    known, held_out = Digits.real()
    if given.noising:
        from examples import noising_picture

        a_three = known.images[known.classes == 3][0]
        noising_picture.draw(a_three, given.out / 'noising.png')
        return
    from examples import digits_picture

    denoiser = train(known, given.steps)
    report(denoiser, known, held_out, given.each)
    digits_picture.draw(denoiser, given.out / 'digits.png')


if __name__ == '__main__':
    main()
