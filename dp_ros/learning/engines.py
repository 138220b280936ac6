"""The engine of a policy, whatever its method."""

from typing import Any

from dp_ros.learning.baselines.baseline import Baseline
from dp_ros.learning.baselines.engine import BaselineEngine
from dp_ros.learning.chunk_engine import ChunkEngine
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.engine import Engine
from dp_ros.learning.graph_cache import Keep, anew
from dp_ros.learning.methods import require_diffusion
from dp_ros.learning.transition import Transition

AnyEngine = ChunkEngine[Any]


def make_engine(
    policy: ChunkPolicy,
    device: str = 'cpu',
    transition: str | Transition = '',
    deadline_ms: float = 0.0,
    keep: Keep = anew,
    precision: str = 'float32',
) -> AnyEngine:
    """`policy` on `device`; raises as ChunkEngine does.

    deadline_ms, keep, precision: see Engine. A baseline answers at once: it has no steps to leave
    out, and only its encoders may be less precise.
    """
    if isinstance(policy, Baseline):
        return BaselineEngine(policy, device, transition, keep, precision)
    diffusion = require_diffusion(policy, 'denoising')
    return Engine(diffusion, device, transition, deadline_ms, keep, precision)
