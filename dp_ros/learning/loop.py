"""The training loop: steps, averaged weights, validation, saves, exact resume.

A run's folder holds `state.safetensors` (everything needed to go on after SIGKILL), TensorBoard's
event files, and what the job saves: the averaged model, usable at any time. With keep_every in the
recipe, `kept/STEP` holds it as it was after STEP steps.
"""

import contextlib
import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from dp_ros.learning import training_state
from dp_ros.learning.batches import Examples, batches
from dp_ros.learning.chance import Draw, Draws
from dp_ros.learning.descent import Descent, learning_rate
from dp_ros.learning.distributed import Peers
from dp_ros.learning.ema import ExponentialMovingAverage
from dp_ros.learning.job import Job, M, Machine, Progress, Report
from dp_ros.learning.recipe import Optimiser
from dp_ros.learning.training_state import ResumeError, TrainingState


class DivergedError(RuntimeError):
    """The loss became NaN or infinite."""


def run(job: Job[M], folder: Path, machine: Machine, report: Report) -> M:
    """Train in `folder`, going on where an interrupted run stopped; returns the averaged model.

    Raises DivergedError, or ResumeError if the folder holds another run.
    """
    settings, optimiser, peers = job.settings, job.settings.optimiser, machine.peers
    share = _Share(peers, optimiser)
    descent = Descent(job.learned, optimiser, machine.device, peers)
    average = ExponentialMovingAverage(job.model, optimiser.ema_power, optimiser.ema_max)
    job.average = average.model
    identity = {**job.identity, 'data set': training_state.data_identity(job.training)}
    state = TrainingState(job.model, average.model, descent, identity)
    start = saved = training_state.restore(folder, state)
    # Asked of all before the first one writes a newer state.
    if not peers.agree(f'{start} {json.dumps(identity)}'):
        raise ResumeError(
            f'the processes of torchrun do not agree on what is trained: they found other data '
            f'sets, other recipes, or other states of the run in {folder}. Let all machines read '
            f'the same files, and give a folder that all of them share'
        )
    if start == optimiser.steps:
        return average.model

    draws = Draws(settings.seed, len(job.training), optimiser.batch, job.chance)
    rows = (part.rows for k in range(start, optimiser.steps) for part in share(draws(k)))
    with_images = job.prepare(machine, report)
    coming = batches(job.training, rows, machine.device, machine.workers, with_images)
    # What was drawn after the state that is gone on from; that of `start` belongs to it.
    board = SummaryWriter(str(folder), purge_step=start + 1) if peers.first else None
    with contextlib.closing(board) if board else contextlib.nullcontext():
        for step in range(start, optimiser.steps):
            losses = [partial(_loss, job, coming, part) for part in share(draws(step))]
            loss = descent.step(step, losses)
            if not math.isfinite(loss):
                kept = f'the state after step {saved}' if saved else 'nothing: it was too early'
                raise DivergedError(
                    f'the loss became {loss} at step {step}; lower optimiser.learning_rate '
                    f'(now {optimiser.learning_rate}). {folder} keeps {kept}.'
                )
            average.update(job.model, step)
            if board is None:
                continue
            done = step + 1
            last = done == optimiser.steps
            due = done % settings.validate_every == 0 or last
            figures = job.validate(average.model) if due else {}
            board.add_scalar('learning_rate', learning_rate(step, optimiser), done)
            board.add_scalar('loss/training', loss, done)
            for name, value in figures.items():
                board.add_scalar(name, value, done)
            if done % settings.save_every == 0 or last:
                job.save(average.model, folder)
                training_state.save(folder, state, done)
                saved = done
            if settings.keep_every is not None and done % settings.keep_every == 0:
                job.save(average.model, folder / 'kept' / str(done))
            report(Progress('training', done, optimiser.steps, loss, figures))
    peers.wait()  # until the first one has saved
    return average.model


def _loss(job: Job[M], coming: Iterator[Examples], draw: Draw) -> Tensor:
    return job.loss(next(coming), draw)


class _Share:
    """The equal parts of a batch that this process computes, one after the other."""

    def __init__(self, peers: Peers, optimiser: Optimiser) -> None:
        own = optimiser.accumulate
        self._count = peers.count * own
        self._mine = range(peers.rank * own, (peers.rank + 1) * own)
        if optimiser.batch % self._count:
            raise ValueError(
                f'optimiser.batch must be a multiple of {self._count} (processes x '
                f'optimiser.accumulate), found {optimiser.batch}'
            )

    def __call__(self, draw: Draw) -> list[Draw]:
        return [draw.part(index, self._count) for index in self._mine]
