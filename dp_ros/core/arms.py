"""One plan for several arms: what concerns each of them, and what all of them are committed to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dp_ros.core.stamped import ActionChunk, frozen_array

CLOSED = 0.5
"""A channel that is predicted above it is on: a gripper is closed."""


@dataclass(frozen=True)
class Part:
    """One arm's share of an action: columns of its joints, base to tool, and of its grippers.

    Joints are interpolated between waypoints. A gripper is a state, 0 or 1: it is never blended.
    """

    joints: tuple[int, ...]
    states: tuple[int, ...] = ()


@dataclass(frozen=True)
class Share:
    """What of a chunk concerns one arm: joints (k, n) [rad], states (k, m), at the same times."""

    joints: ActionChunk
    states: ActionChunk


def split(chunk: ActionChunk, parts: Mapping[str, Part]) -> dict[str, Share]:
    """The share of each arm in a chunk (k, A); states become 0 or 1."""
    stamps, waypoints = chunk.stamps_ns, chunk.waypoints
    shares = {}
    for arm, part in parts.items():
        joints, states = waypoints[:, list(part.joints)], waypoints[:, list(part.states)]
        shares[arm] = Share(
            ActionChunk(stamps, frozen_array(joints)),
            ActionChunk(stamps, frozen_array(states > CLOSED)),
        )
    return shares


def joined(shares: Mapping[str, Share], parts: Mapping[str, Part]) -> ActionChunk | None:
    """What all arms are committed to (k, A), at the times that all of them know of.

    None where it is not one plan: an arm says nothing, or what it plays ends at another time.
    """
    ends = {share.joints.end_ns for share in shares.values()}
    if shares.keys() != parts.keys() or len(ends) != 1:
        return None
    known = [set(share.joints.stamps_ns) for share in shares.values()]
    stamps = tuple(sorted(set.intersection(*known)))
    width = sum(len(part.joints) + len(part.states) for part in parts.values())
    waypoints = np.empty((len(stamps), width))
    for arm, part in parts.items():
        share = shares[arm]
        rows = [share.joints.stamps_ns.index(stamp) for stamp in stamps]
        waypoints[:, list(part.joints)] = share.joints.waypoints[rows]
        waypoints[:, list(part.states)] = share.states.waypoints[rows]
    return ActionChunk(stamps, frozen_array(waypoints))
