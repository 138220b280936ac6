"""What the limits need to know of an arm: where its joints are while its tool moves, and back."""

from typing import Protocol

from dp_ros.core.stamped import Array


class Kinematics(Protocol):
    """Kinematics of one arm with its tool, for whole paths; poses are (7,) in the base frame."""

    def inverse(self, poses: Array, seed: Array) -> Array | None:
        """Poses (n, 7) of a short path -> joints (n, 6) [rad] in the configuration of `seed` (6,).

        None where one of the poses cannot be reached.
        """
        ...

    def positions(self, joints: Array) -> Array:
        """Joints (n, 6) -> position (n, 3) [m] of the tool centre point."""
        ...

    def jacobian(self, joints: Array) -> Array:
        """Joints (6,) -> Jacobian (6, 6): TCP speed [m/s, rad/s] = J @ joint speed."""
        ...

    def manipulability(self, joints: Array) -> Array:
        """Joints (n, 6) -> sqrt(det(J J^T)) (n,) [m^3]; 0 where the arm is singular.

        Yoshikawa 1985, "Manipulability of Robotic Mechanisms".
        """
        ...
