"""The network that a recipe names, fitted to a task; and whether the two go together."""

from torch import nn

from dp_ros.learning.inpainting import ALONE, InpaintingUnet1D
from dp_ros.learning.local_conditioning import LocalUnet1D
from dp_ros.learning.mlp import MLPDenoiser
from dp_ros.learning.recipe import MLPNetwork, Recipe, TransformerNetwork, UnetNetwork
from dp_ros.learning.transformer import TransformerDenoiser
from dp_ros.learning.unet import ConditionalUnet1D
from dp_ros.task import Horizons, Task


def inpaints(recipe: Recipe) -> bool:
    """Whether observations are denoised beside the actions (learning/inpainting.py)."""
    network = recipe.network
    return isinstance(network, UnetNetwork) and network.condition == 'inpainting'


def build_denoiser(task: Task, recipe: Recipe, condition_dim: int) -> nn.Module:
    """The denoiser of `task` for a condition of C numbers; ValueError where it cannot be."""
    network, horizons = recipe.network, task.horizons
    mask = recipe.diffusion.prefix is not None
    if isinstance(network, UnetNetwork):
        return _unet(task, network, condition_dim, mask)
    if isinstance(network, MLPNetwork):
        return MLPDenoiser(
            task.action_dim,
            horizons.prediction,
            condition_dim,
            network.width,
            network.blocks,
            network.step_embedding,
            mask,
        )
    return _transformer(task, network, condition_dim, mask)


def _transformer(
    task: Task, network: TransformerNetwork, condition_dim: int, mask: bool
) -> TransformerDenoiser:
    horizons = task.horizons
    return TransformerDenoiser(
        task.action_dim,
        horizons.prediction,
        condition_dim,
        horizons.observation,
        horizons.observation - 1 + horizons.first,
        network.width,
        network.layers,
        network.heads,
        network.condition_layers,
        network.dropout,
        network.embedding_dropout,
        mask,
    )


def _unet(task: Task, network: UnetNetwork, condition_dim: int, mask: bool) -> ConditionalUnet1D:
    actions, horizons = task.action_dim, task.horizons
    _check_levels(network, horizons)
    sizes = network.widths, network.step_embedding, network.kernel, network.groups
    if network.condition == 'global':
        return ConditionalUnet1D(actions, condition_dim, *sizes, mask)
    if horizons.prediction < horizons.observation:
        raise ValueError(
            f'condition: {network.condition} lays {horizons.observation} observed steps beside '
            f'the predicted ones, of which there are {horizons.prediction}: choose condition: '
            f'global, or a longer prediction'
        )
    if network.condition == 'local':
        return LocalUnet1D(
            actions, horizons.prediction, condition_dim, horizons.observation, *sizes, mask
        )
    if mask:
        raise ValueError(ALONE)
    if task.cameras:
        raise ValueError(
            f'task {task.name!r} has cameras, and what they will see is not predicted: '
            f'condition: inpainting is for states; choose condition: global or local'
        )
    return InpaintingUnet1D(actions, condition_dim, horizons.observation, *sizes)


def _check_levels(network: UnetNetwork, horizons: Horizons) -> None:
    coarsest = 2 ** (len(network.widths) - 1)
    if horizons.prediction % coarsest:
        raise ValueError(
            f'a U-Net of {len(network.widths)} levels halves the horizon '
            f'{len(network.widths) - 1} times: prediction must be a multiple of {coarsest}, '
            f'found {horizons.prediction}'
        )
