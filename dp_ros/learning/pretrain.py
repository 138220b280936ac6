"""Pretraining image encoders: what is known of each recorded frame is read off its features.

In a simulated cell, or wherever something measured the scene, frames come with labels such as the
places of an object's keypoints. An encoder that has learned to tell them has learned where to
look, from far more gradient for each frame than denoising gives; a policy starts from it.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from dp_ros import atomic, yamlfile
from dp_ros.data.windows import Windows
from dp_ros.learning import initial_weights, training_state
from dp_ros.learning.batches import Examples, batches
from dp_ros.learning.chance import Draw
from dp_ros.learning.descent import Learned
from dp_ros.learning.job import HERE, Job, Machine, Report, silent
from dp_ros.learning.looks import augmented
from dp_ros.learning.loop import run
from dp_ros.learning.normalizer import MinMaxNormalizer
from dp_ros.learning.recipe import Pretraining
from dp_ros.learning.vision import VisionEncoder
from dp_ros.task import Task

RECIPE = 'pretraining.yaml'
_AT_ONCE = 64


class Reader(nn.Module):
    """Encoders and a linear readout: features and proprioception of one step -> k targets."""

    def __init__(self, task: Task, recipe: Pretraining, targets: int) -> None:
        super().__init__()
        self.vision = VisionEncoder(task.cameras, recipe.vision)
        self.normalize_vector = MinMaxNormalizer(task.observation_dim)
        self.normalize_targets = MinMaxNormalizer(1)  # one range: an error weighs as much in each
        self.readout = nn.Linear(self.vision.dim + task.observation_dim, targets)

    def forward(self, vector: Tensor, seen: Tensor) -> Tensor:
        """Vector (B, D), image features (B, V) -> normalised targets (B, k)."""
        known = torch.cat([self.normalize_vector.normalize(vector), seen.float()], dim=-1)
        targets: Tensor = self.readout(known)
        return targets


def pretrain(
    task: Task,
    recipe: Pretraining,
    targets: str,
    training: Windows,
    validation: Windows,
    folder: Path,
    machine: Machine = HERE,
    report: Report = silent,
) -> VisionEncoder:
    """Train encoders to tell the data set's array `targets` from windows of one step.

    Goes on where an interrupted run stopped. Returns the averaged encoders, which are also saved
    in `folder`, for a recipe's vision.weights. Raises as train does.
    """
    torch.manual_seed(recipe.seed)
    known = torch.from_numpy(training.targets(targets))
    reader = Reader(task, recipe, known.shape[1])
    reader.normalize_vector.fit(torch.from_numpy(training.observations).flatten(0, 1))
    reader.normalize_targets.fit(known.reshape(-1, 1))
    if not training_state.exists(folder):
        initial_weights.initialise_vision(reader.vision)
    job = _ReaderJob(reader.to(machine.device), task, recipe, targets, training, validation)
    return run(job, folder, machine, report).vision


class _ReaderJob(Job[Reader]):
    settings: Pretraining

    def __init__(
        self,
        reader: Reader,
        task: Task,
        recipe: Pretraining,
        targets: str,
        training: Windows,
        validation: Windows,
    ) -> None:
        self.model, self.settings, self.training = reader, recipe, training
        self._targets = torch.from_numpy(training.targets(targets))
        self._validation, self._truth = validation, torch.from_numpy(validation.targets(targets))
        scale = recipe.vision.learning_rate_scale
        self.learned = [
            Learned(list(reader.readout.parameters())),
            Learned(list(reader.vision.parameters()), scale),
        ]
        self.identity = {
            'task': task.model_dump(mode='json'),
            'recipe': recipe.model_dump(mode='json'),
            'choice of targets': targets,
        }

    def loss(self, examples: Examples, draw: Draw) -> Tensor:
        """Smooth L1 of the normalised targets."""
        vector, images = examples.observations.vector, examples.observations.images
        seen = augmented(self.model.vision, images, draw.looks)
        targets = self._targets[draw.rows].to(vector.device)
        told = self.model(vector[:, -1], seen[:, -1])
        wanted = self.model.normalize_targets.normalize(targets)
        return functional.smooth_l1_loss(told.float(), wanted, beta=self.settings.beta)

    @torch.no_grad()
    def validate(self, average: Reader) -> dict[str, float]:
        """Distance from the truth of each target, in its units: mean, and of the median frame."""
        device = str(average.readout.weight.device)
        rows = torch.arange(len(self._validation))
        told = []
        for part in batches(self._validation, rows.split(_AT_ONCE), device):
            seen = average.vision(part.observations.images)[:, -1]
            told.append(average(part.observations.vector[:, -1], seen))
        found = average.normalize_targets.denormalize(torch.cat(told)).cpu()
        errors = (found - self._truth).abs().mean(dim=-1)  # (N,)
        return {'mean_error': errors.mean().item(), 'median_error': errors.median().item()}

    def save(self, average: Reader, folder: Path) -> None:
        atomic.write_text(folder / RECIPE, yamlfile.dump(self.settings))
        initial_weights.save(average.vision, folder)
