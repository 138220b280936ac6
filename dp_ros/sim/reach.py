"""Six joints: one arm leads its tool to a pose behind a post, past either side of it.

The post stands at (0.46, 0) m in the base frame, between where the tool starts and the pose that
it is to reach; it ends below the wrist, so only the tool can touch it. The way near the base and
the way far from it are equally good. What lies half way between them leads into the post.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import rotations
from dp_ros.data.replay_buffer import Episode
from dp_ros.hardware.ur_kinematics import quaternion_pose, within_limits
from dp_ros.sim.kinematic_arm import STEP_S, TOOL_DOWN, KinematicArm, eased, joints_along, wavering
from dp_ros.task import pose_components

Array = NDArray[np.float64]

POST = np.array([0.46, 0.0])
POST_RADIUS_M = 0.06
BULGE_M = 0.15
"""How far from the straight line the expert passes the post."""
WAY_STEPS, REST_STEPS = 40, 10
REACHED_M, REACHED_RAD = 0.015, 0.1
POSE_COMPONENTS = ('x', 'y', 'z', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6')

_DOWN = rotations.quaternion_from_rotation_vector(TOOL_DOWN)
_TURN_RAD, _TILT_RAD = 0.5, 0.2
# People draw no perfect arcs, and their hands are not still.
_DEVIATION_M, _WAVERS_RAD = 0.01, 0.02


def _pose(rng: np.random.Generator, side: int) -> Array:
    """A pose (7,) on the side of the post where y has the sign of `side`."""
    x, z = POST[0] + rng.uniform(-0.05, 0.05), rng.uniform(0.08, 0.18)
    tilt = np.array([*rng.uniform(-_TILT_RAD, _TILT_RAD, 2), rng.uniform(-_TURN_RAD, _TURN_RAD)])
    turn = rotations.quaternion_multiply(rotations.quaternion_from_rotation_vector(tilt), _DOWN)
    return np.array([x, side * rng.uniform(0.17, 0.22), z, *turn])


def _joints(poses: Array) -> Array:
    """Poses (n, 7) -> joints (n, 6)."""
    vectors = rotations.rotation_vector_from_quaternion(poses[:, 3:])
    return joints_along(np.concatenate([poses[:, :3], vectors], axis=1))


def way(start: Array, goal: Array, far: bool, deviation: Array) -> Array:
    """Joints (n, 6) from pose to pose (7,) past the post, and a rest; deviation (2,) [m]."""
    s = eased(WAY_STEPS)[:, None]
    position = start[:3] + s * (goal[:3] - start[:3])
    bulge = (1 if far else -1) * (BULGE_M + deviation[0]) * np.sin(np.pi * s[:, 0])
    position[:, 0] += bulge + deviation[1] * np.sin(2 * np.pi * s[:, 0])
    turns = rotations.slerp(start[3:], goal[3:], s[:, 0])
    joints = _joints(np.concatenate([position, turns], axis=1))
    return np.concatenate([joints, np.repeat(joints[-1:], REST_STEPS, axis=0)])


def demonstrations(count: int, seed: int) -> Iterator[Episode]:
    """Episodes of an expert that reach the goal, past either side by coin flip."""
    environment, rng = Reach(), np.random.default_rng([seed, 1])
    for number in range(count):
        states = [environment.reset(seed + number)]
        actions = way(
            environment.start, environment.goal, bool(rng.integers(2)),
            rng.normal(size=2) * _DEVIATION_M,
        )  # fmt: skip
        executed = actions + wavering(rng, len(actions), _WAVERS_RAD)
        states += [environment.step(action) for action in executed]
        yield Episode(np.array(states[:-1], np.float32), actions.astype(np.float32))


class Reach:
    """Environment (sim/rollout.py); observation: joints (6,), tool and goal by POSE_COMPONENTS.

    start, goal: poses (7,). touched: whether the tool has touched the post, or a joint has passed
    its limit: that ends an episode. path: where the tool was, (3,) each.
    """

    rate_hz = 1 / STEP_S
    max_steps = 100
    images: Mapping[str, NDArray[np.uint8]] = MappingProxyType({})

    def __init__(self) -> None:
        self.reset(0)

    def reset(self, seed: int) -> Array:
        """At rest on one side of the post, by coin flip; the goal lies on the other."""
        rng = np.random.default_rng(seed)
        side = 1 if rng.integers(2) else -1
        self.start, self.goal = _pose(rng, side), _pose(rng, -side)
        self.arm = KinematicArm(_joints(self.start[None])[0])
        self.touched = False
        self.path = [self.arm.tip]
        return self._observation

    def step(self, action: Array) -> Array:
        """Move the joints towards `action` (6,) [rad]."""
        self.arm.step(np.asarray(action, dtype=float))
        tip = self.arm.tip
        # Between two steps the tool goes nearly straight.
        between = self.path[-1] + np.linspace(0, 1, 5)[1:, None] * (tip - self.path[-1])
        near = np.linalg.norm(between[:, :2] - POST, axis=1).min() < POST_RADIUS_M
        self.touched |= bool(near) or not within_limits(self.arm.joints.tolist())
        self.path.append(tip)
        return self._observation

    @property
    def away(self) -> tuple[float, float]:
        """From the goal [m], and how far turned from it [rad]."""
        pose = quaternion_pose(self.arm.pose)
        back = rotations.quaternion_inverse(self.goal[3:])
        turn = rotations.quaternion_multiply(pose[3:], back)
        angle = np.linalg.norm(rotations.rotation_vector_from_quaternion(turn))
        return float(np.linalg.norm(pose[:3] - self.goal[:3])), float(angle)

    @property
    def coverage(self) -> float:
        """1 once the pose is reached; before, 0.9 of the share of the way that is done."""
        metres, radians = self.away
        if not self.touched and metres < REACHED_M and radians < REACHED_RAD:
            return 1.0
        whole = float(np.linalg.norm(self.goal[:3] - self.start[:3]))
        return 0.9 * max(0.0, 1 - metres / whole)

    @property
    def done(self) -> bool:
        """Whether the goal is reached, or the post is touched."""
        return self.touched or self.coverage == 1.0

    @property
    def _observation(self) -> Array:
        poses = np.stack([quaternion_pose(self.arm.pose), self.goal])
        seen = pose_components(poses, POSE_COMPONENTS)
        return np.concatenate([self.arm.joints, *seen])
