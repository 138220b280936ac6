"""What a stream of setpoints does, computed from the setpoints alone and by other kinematics.

Nothing here uses what the limiter believes: differences of what was sent, and for the other space
ur_analytic_ik.
"""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation
from ur_analytic_ik import ur5e

from dp_ros import paths
from dp_ros.core.limits import KeepOut
from dp_ros.hardware.drivers import make_kinematics
from dp_ros.robot import load_robot
from dp_ros.task import JointAction, load_task

SIM = load_robot(paths.share('config', 'robots', 'ur5e_sim.yaml'))
REAL = load_robot(paths.share('config', 'robots', 'ur5e_realsense.yaml'))
TASK = load_task(paths.share('config', 'tasks', 'pusht_cell.yaml'))
JOINT_TASK = TASK.model_copy(
    update={'action': JointAction(space='joint', components=SIM.arm.joints)}
)
KINEMATICS = make_kinematics(SIM)
TOOL_M = SIM.arm.tcp_offset[2]
HOME = np.array([0.45, 0.0, 0.2, 1.0, 0.0, 0.0, 0.0])
# Elbow up, the tool down.
HOME_JOINTS = KINEMATICS.inverse(HOME[None], np.array([2.8, -1.7, 2.0, -1.9, -1.6, -1.9]))[0]
BOXES = (
    KeepOut('post', np.array([0.5, -0.1, -0.1]), np.array([0.56, 0.0, 0.15])),
    KeepOut('wall', np.array([0.2, 0.15, -0.1]), np.array([0.7, 0.17, 0.5])),
)


def limits(robot=SIM, joint=False, boxes=(), kinematics=KINEMATICS, tool=None, joints=None):
    """Limits of a robot file, with obstacles; tool, joints: changes of either group."""
    made = robot.safety(JOINT_TASK if joint else TASK, kinematics)
    changed_tool = dataclasses.replace(made.tool, keep_out=boxes, **(tool or {}))
    changed_joints = dataclasses.replace(made.joint, **(joints or {}))
    return dataclasses.replace(made, tool=changed_tool, joint=changed_joints)


def start(made):
    """Where the arm stands at first."""
    return HOME if made.pose else HOME_JOINTS


def joints_of(poses, seed=HOME_JOINTS):
    """Joints (n, 6) of TCP poses (n, 7), each nearest to those before."""
    found = []
    for pose in poses:
        flange = np.eye(4)
        flange[:3, :3] = Rotation.from_quat(pose[3:]).as_matrix()
        flange[:3, 3] = pose[:3] - TOOL_M * flange[:3, 2]
        solutions = np.array(ur5e.inverse_kinematics(flange)).reshape(-1, 6)
        solutions = solutions + 2 * np.pi * np.round((seed - solutions) / (2 * np.pi))
        seed = solutions[np.abs(solutions - seed).max(axis=1).argmin()]
        found.append(seed)
    return np.array(found)


def tips_of(joints):
    """Positions (n, 3) of the tip."""
    flanges = np.array([ur5e.forward_kinematics(*row) for row in joints])
    return flanges[:, :3, 3] + TOOL_M * flanges[:, :3, 2]


def manipulability_of(joints):
    """sqrt(det(J J^T)) (n,) by differences of the forward kinematics."""
    values = []
    for row in joints:
        columns = []
        for step in np.eye(6) * 1e-6:
            after, before = (
                ur5e.forward_kinematics(*(row + step)),
                ur5e.forward_kinematics(*(row - step)),
            )
            turn = Rotation.from_matrix(after[:3, :3]) * Rotation.from_matrix(before[:3, :3]).inv()
            columns.append(np.append(after[:3, 3] - before[:3, 3], turn.as_rotvec()) / 2e-6)
        values.append(abs(np.linalg.det(np.array(columns))))
    return np.array(values)


def differences(rows, dt, order):
    """Derivatives of rows (n, k) that begin and end at rest."""
    rows = np.concatenate([np.repeat(rows[:1], order, axis=0), rows])
    return np.diff(rows, order, axis=0) / dt**order


def crossed(box, points):
    """Whether the polyline through points (n, 3) enters a box: by points close to each other."""
    share = np.linspace(0, 1, 21)[:, None, None]
    fine = (points[:-1] + share * np.diff(points, axis=0)).reshape(-1, 3)
    return bool(((fine > box.low + 1e-9) & (fine < box.high - 1e-9)).all(axis=1).any())


def assert_within(made, sent, dt):
    """Every limit, for every setpoint sent; rounding of differences is all that is let pass."""
    sent = np.array(sent)
    assert np.isfinite(sent).all()
    if made.pose:
        tips, joints = sent[:, :3], None if made.kinematics is None else joints_of(sent)
        assert np.allclose(np.linalg.norm(sent[:, 3:], axis=1), 1, atol=1e-12)
        turns = Rotation.from_quat(sent[1:, 3:]) * Rotation.from_quat(sent[:-1, 3:]).inv()
        spin = np.concatenate([np.zeros((1, 3)), turns.as_rotvec() / dt])
        longest(spin, made.angular_speed)
        longest(np.diff(spin, axis=0) / dt, made.angular_acceleration)
    else:
        tips, joints = None if made.kinematics is None else tips_of(sent), sent
    axes = sent[:, : len(made.axes.low)]
    assert np.all(np.abs(differences(axes, dt, 3)) <= made.axes.jerk * (1 + 1e-4))
    if tips is not None:
        low = np.maximum(made.tool.low, [-np.inf, -np.inf, made.tool.table_z])
        assert np.all(tips >= low - 1e-8)
        assert np.all(tips <= made.tool.high + 1e-8)
        longest(differences(tips, dt, 1), made.tool.speed)
        longest(differences(tips, dt, 2), made.tool.acceleration)
        for box in made.tool.keep_out:
            assert not crossed(box, tips), box.name
    if joints is not None:
        assert np.all(joints >= made.joint.low - 1e-8)
        assert np.all(joints <= made.joint.high + 1e-8)
        assert np.all(np.abs(differences(joints, dt, 1)) <= made.joint.speed + 1e-6)
        assert np.all(np.abs(differences(joints, dt, 2)) <= made.joint.acceleration + 1e-3)
        if made.kinematics is not None:
            # Numerical, so only some of them.
            assert manipulability_of(joints[::10]).min() >= made.joint.stop_at - 1e-6


def longest(vectors, most):
    """The longest of vectors (n, 3) is at most `most`."""
    found = np.linalg.norm(vectors, axis=1).max()
    assert found <= most * (1 + 1e-9) + 1e-5, (found, most)
