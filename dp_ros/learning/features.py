"""How a network sees an observation and speaks an action: exact, invertible changes of frame.

Each class has three functions over a batch: `observation` (B, T_o, D) -> (B, T_o, F), `encode`
and its inverse `decode`, which take actions (B, T_p, A) to the network's terms and back, given
the observations that they belong to.
"""

from typing import Protocol

import torch
from torch import Tensor

from dp_ros.learning.recipe import BlockFrameFeatures, Features, RelativeFeatures
from dp_ros.task import Task


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


class Velocity:
    """Velocity control: the differences between successive targets of the actions.

    The first one is the difference to where the arm is, so `from_here` has to encode actions
    relative to that; the chunk is the sum of its differences.
    """

    def __init__(self, from_here: Relative | BlockFrame) -> None:
        self.from_here = from_here

    def observation(self, observations: Tensor) -> Tensor:
        return self.from_here.observation(observations)

    def encode(self, observations: Tensor, actions: Tensor) -> Tensor:
        targets = self.from_here.encode(observations, actions)
        return targets.diff(dim=1, prepend=torch.zeros_like(targets[:, :1]))

    def decode(self, observations: Tensor, actions: Tensor) -> Tensor:
        return self.from_here.decode(observations, actions.cumsum(dim=1))


def feature_map(features: Features) -> FeatureMap:
    """The map that a recipe names."""
    is_relative = isinstance(features, RelativeFeatures) or features.control == 'velocity'
    chosen: Plain | Relative | BlockFrame = Relative() if is_relative else Plain()
    if isinstance(features, BlockFrameFeatures):
        chosen = BlockFrame(features.goal, features.fine)
    if isinstance(chosen, Plain) or features.control == 'position':
        return chosen
    return Velocity(chosen)


def check_position(task: Task, features: Features) -> None:
    """Raise ValueError where velocities have nothing to begin from."""
    if features.control == 'position':
        return
    wanted = task.action.components
    found = tuple(name for stream in task.vectors for name in stream.components)[: len(wanted)]
    if found != wanted:
        raise ValueError(
            f'control: velocity adds up differences from where the arm is, so the observations of '
            f'task {task.name!r} must begin with what its actions set, {", ".join(wanted)}; they '
            f'begin with {", ".join(found)}: put that stream first, or choose control: position'
        )


def _turn(vectors: Tensor, angle: Tensor) -> Tensor:
    """Rotate vectors (..., 2) by angle (...,) [rad]."""
    cosine, sine = angle.cos(), angle.sin()
    x, y = vectors[..., 0], vectors[..., 1]
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-1)
