"""The Push-T task: a T on a table must cover a goal T. Geometry and score, nothing else.

The T and the start distribution are those of gym-pusht 0.1.8 (Florence et al. 2021, Chi et al.
2023, "Diffusion Policy"), at 1 pixel = 1 mm: gym's 512 pixel square lies centred at
(0.46, 0) m in the robot's base frame, with gym's axes parallel to it.

A block pose is (x, y, yaw): metres and radians, base frame. The block's origin is the middle of
the outer edge of the T's bar; the stem points along the block's +y.
"""

from dataclasses import dataclass

import numpy as np
from shapely import Point, Polygon

PIXEL_M = 0.001
SQUARE_PX = 512.0
SQUARE_M = SQUARE_PX * PIXEL_M
SQUARE_CENTRE = (0.46, 0.0)
"""Centre of the workspace square, metres, base frame."""

TIP_RADIUS_M = 0.015

BAR_HALF = (0.060, 0.015)
BAR_CENTRE = (0.0, 0.015)
STEM_HALF = (0.015, 0.045)
STEM_CENTRE = (0.0, 0.075)
CENTRE_OF_MASS = (0.0, 0.045)
"""Both boxes weigh the same, so the centre of mass lies midway between their centres."""

OUTLINE = np.array([
    [-0.060, 0.0], [0.060, 0.0], [0.060, 0.030], [0.015, 0.030],
    [0.015, 0.120], [-0.015, 0.120], [-0.015, 0.030], [-0.060, 0.030],
])  # fmt: skip
"""Corners of the T in its own frame, counter-clockwise, shape (8, 2), metres."""
OUTLINE.setflags(write=False)

SUCCESS_COVERAGE = 0.95
"""gym-pusht's threshold on intersection over goal area."""

_TIP_RANGE_PX = (50.0, 450.0)
_BLOCK_RANGE_PX = (100.0, 400.0)
_START_CLEARANCE_M = 0.005


def to_metres(pixels: np.ndarray) -> np.ndarray:
    """Positions in gym pixels, shape (..., 2), to metres in the base frame."""
    return (np.asarray(pixels, float) - SQUARE_PX / 2) * PIXEL_M + SQUARE_CENTRE


def to_pixels(metres: np.ndarray) -> np.ndarray:
    """Positions in the base frame, shape (..., 2), metres, to gym pixels."""
    return (np.asarray(metres, float) - SQUARE_CENTRE) / PIXEL_M + SQUARE_PX / 2


GOAL_POSE = np.array([*to_metres(np.array([256.0, 256.0])), np.pi / 4])
"""gym's goal (256, 256, pi/4)."""
GOAL_POSE.setflags(write=False)

SQUARE_LOW, SQUARE_HIGH = to_metres(np.array([[0.0, 0.0], [SQUARE_PX, SQUARE_PX]]))


def to_base_frame(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the block's frame, in the base frame, for the block at `pose` (3,)."""
    c, s = np.cos(pose[2]), np.sin(pose[2])
    return np.asarray(points) @ np.array([[c, s], [-s, c]]) + np.asarray(pose[:2])


def block_outline(pose: np.ndarray) -> np.ndarray:
    """Corners of the T at `pose` (x, y, yaw), shape (8, 2), metres, base frame.

    Rounded to a picometre: GEOS, which intersects them, fails on edges that all but coincide.
    """
    return np.round(to_base_frame(OUTLINE, pose), 12)


_GOAL = Polygon(block_outline(GOAL_POSE))


def coverage(pose: np.ndarray) -> float:
    """Part of the goal that the T covers: intersection over goal area, 0 to 1 (gym's score)."""
    return Polygon(block_outline(pose)).intersection(_GOAL).area / _GOAL.area


def iou(pose: np.ndarray) -> float:
    """Intersection over union of the T and the goal, 0 to 1 (the Diffusion Policy paper's)."""
    shared = Polygon(block_outline(pose)).intersection(_GOAL).area
    return shared / (2 * _GOAL.area - shared)


def tip_gap(tip: np.ndarray, pose: np.ndarray) -> float:
    """Distance between the tip's surface and the T, metres; negative when they overlap."""
    return Polygon(block_outline(pose)).distance(Point(tip)) - TIP_RADIUS_M


@dataclass(frozen=True)
class Start:
    """Where an episode begins, metres and radians in the base frame.

    tip: xy of the tool centre point.
    block: x, y, yaw of the T.
    """

    tip: tuple[float, float]
    block: tuple[float, float, float]


def sample_start(rng: np.random.Generator) -> Start:
    """A start as gym-pusht draws it: the tip clear of the T, the task not yet solved."""
    while True:
        tip = to_metres(rng.uniform(*_TIP_RANGE_PX, size=2))
        block = np.append(
            to_metres(rng.uniform(*_BLOCK_RANGE_PX, size=2)), rng.uniform(-np.pi, np.pi)
        )
        if tip_gap(tip, block) > _START_CLEARANCE_M and coverage(block) < SUCCESS_COVERAGE:
            return Start(tuple(tip.tolist()), tuple(block.tolist()))
