"""How a network sees an observation and speaks an action: exact, invertible changes of frame.

Each class has three functions over a batch: `observation` (B, T_o, D) -> (B, T_o, F), `encode`
and its inverse `decode`, which take actions (B, T_p, A) to the network's terms and back, given
the observations that they belong to.
"""

from typing import Protocol

import torch
from torch import Tensor

from dp_ros.learning.recipe import BlockFrameFeatures, PlainFeatures, RelativeFeatures


class FeatureMap(Protocol):
    """What a policy needs of its features."""

    def observation(self, observations: Tensor) -> Tensor: ...

    def encode(self, observations: Tensor, actions: Tensor) -> Tensor: ...

    def decode(self, observations: Tensor, actions: Tensor) -> Tensor: ...


class Plain:
    """Observations and actions as they are."""

    def observation(self, observations: Tensor) -> Tensor:
        return observations

    def encode(self, observations: Tensor, actions: Tensor) -> Tensor:
        return actions

    def decode(self, observations: Tensor, actions: Tensor) -> Tensor:
        return actions


class Relative:
    """Actions relative to the newest observation: both begin with the same A numbers.

    The near actions, which are executed, then keep a fine scale (Chi et al. 2024, UMI).
    """

    def observation(self, observations: Tensor) -> Tensor:
        return observations

    def encode(self, observations: Tensor, actions: Tensor) -> Tensor:
        return actions - observations[:, -1:, : actions.shape[-1]]

    def decode(self, observations: Tensor, actions: Tensor) -> Tensor:
        return actions + observations[:, -1:, : actions.shape[-1]]


class BlockFrame:
    """Push-T as the block sees it: observation = tip x y, block x y yaw (D = 5), action = tip x y.

    Contact is the same picture wherever the block lies, so the tip and the goal are given in the
    block's frame, once at full range and once squashed by tanh(distance / fine) so that the last
    millimetres are as large to the network as the first decimetres. Actions are relative to the
    tip and turned into the block's frame as it lay at the anchor.
    """

    def __init__(self, goal: tuple[float, float, float], fine: float) -> None:
        self.goal = torch.tensor(goal)
        self.fine = fine

    def observation(self, observations: Tensor) -> Tensor:
        tip, block, yaw = observations[..., :2], observations[..., 2:4], observations[..., 4]
        goal = self.goal.to(observations)
        tip_seen = _turn(tip - block, -yaw)  # (B, T_o, 2), in the block's frame
        goal_seen = _turn(goal[:2] - block, -yaw)
        turn = goal[2] - yaw
        wrapped = torch.atan2(turn.sin(), turn.cos())
        directions = torch.stack([turn.sin(), turn.cos(), torch.tanh(4 * wrapped)], dim=-1)
        near = [torch.tanh(tip_seen / self.fine), torch.tanh(goal_seen / self.fine)]
        return torch.cat([tip_seen, goal_seen, directions, *near], dim=-1)  # (B, T_o, 11)

    def encode(self, observations: Tensor, actions: Tensor) -> Tensor:
        tip, yaw = observations[:, -1:, :2], observations[:, -1:, 4]
        return _turn(actions - tip, -yaw)

    def decode(self, observations: Tensor, actions: Tensor) -> Tensor:
        tip, yaw = observations[:, -1:, :2], observations[:, -1:, 4]
        return tip + _turn(actions, yaw)


def feature_map(features: PlainFeatures | RelativeFeatures | BlockFrameFeatures) -> FeatureMap:
    """The map that a recipe names."""
    if isinstance(features, RelativeFeatures):
        return Relative()
    if isinstance(features, BlockFrameFeatures):
        return BlockFrame(features.goal, features.fine)
    return Plain()


def _turn(vectors: Tensor, angle: Tensor) -> Tensor:
    """Rotate vectors (..., 2) by angle (...,) [rad]."""
    cosine, sine = angle.cos(), angle.sin()
    x, y = vectors[..., 0], vectors[..., 1]
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-1)
