"""The samplers by the names that a recipe gives them."""

from dp_ros.learning.consistency import Consistency
from dp_ros.learning.dpm_solver import DPMSolver
from dp_ros.learning.recipe import Diffusion
from dp_ros.learning.sampler import DDIM, DDPM, Sampler


def chosen(diffusion: Diffusion) -> Sampler:
    """The sampler of a recipe."""
    if diffusion.sampler == 'dpm_solver':
        return DPMSolver()
    if diffusion.sampler == 'consistency':
        return Consistency()
    if diffusion.sampler == 'ddpm':
        return DDPM(diffusion.variance)
    return DDIM(diffusion.eta)
