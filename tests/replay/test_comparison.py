"""Errors by step of the horizon, against values that are known in closed form."""

import numpy as np
import pytest

from dp_ros.core import rotations
from dp_ros.core.asynchronous import Ask
from dp_ros.replay import comparison
from dp_ros.replay.comparison import summary
from dp_ros.replay.lockstep import Planned
from dp_ros.replay.policy_side import Plan
from dp_ros.replay.recording import Recording, Series
from dp_ros.replay.stretches import Stretch
from tests.replay.small import MS, task

JOINTS = ('a', 'b')


def turned(yaw):
    return rotations.quaternion_from_rotation_vector([0, 0, yaw])


def pose(t, yaw=0.0):
    """The recorded command at t [s]."""
    return [0.3 + 0.1 * t, 0.2 - 0.05 * t, 0.005, *turned(yaw)]


def recording(values, stretches, period_ms=20):
    stamps = np.arange(len(values)) * period_ms * MS
    commands = Series(stamps, np.array(values, float))
    return Recording(
        0, int(stamps[-1]), stretches, commands, Series(stamps[:0], np.zeros((0, 7))), {}
    )


def planned(anchor_ms, waypoints):
    anchor = anchor_ms * MS
    ask = Ask(anchor, anchor, 1, None, 0, None)
    plan = Plan(ask, anchor + 10 * MS, anchor + 70 * MS, '', np.array(waypoints, float), None)
    return Planned(plan, None, 'past')


WHOLE = (Stretch('policy', 0, 4000 * MS, 'idle'),)


def test_each_step_is_off_by_what_it_was_moved():
    made, commands = task(), [pose(0.02 * i) for i in range(200)]
    # Step -1 is due at the anchor, and so on; step k is put k mm aside.
    moved = [[*pose(0.5 + 0.1 * i)] for i in range(8)]
    for step, waypoint in zip(range(-1, 7), moved, strict=True):
        waypoint[1] += step / 1e3
    (measure,) = comparison.compare([planned(500, moved)] * 3, recording(commands, WHOLE), made)
    assert (measure.name, measure.unit, measure.steps) == ('position', 'mm', list(range(-1, 7)))
    np.testing.assert_allclose(
        [e.p50 for e in measure.by_step()], [1, 0, 1, 2, 3, 4, 5, 6], atol=1e-6
    )
    # T_a is 2: steps 0 and 1.
    executed = measure.executed()
    assert executed.count == 6
    assert executed.mean == pytest.approx(0.5)
    assert executed.largest == pytest.approx(1)


def test_what_was_not_commanded_is_left_out():
    made, commands = task(), [pose(0.02 * i) for i in range(60)]
    still = [pose(0)] * 8
    (measure,) = comparison.compare([planned(800, still)], recording(commands, WHOLE), made)
    known = [e.count for e in measure.by_step()]
    # The last command is that of 1180 ms.
    assert known == [1, 1, 1, 1, 0, 0, 0, 0]
    ended = (
        Stretch('policy', 0, 950 * MS, 'teleoperated'),
        Stretch('teleoperated', 950 * MS, 9000 * MS, ''),
    )
    (measure,) = comparison.compare([planned(800, still)], recording(commands, ended), made)
    assert [e.count for e in measure.by_step()] == [1, 1, 0, 0, 0, 0, 0, 0]


def test_nothing_is_known_within_a_gap():
    stamps = np.array([0, 50, 400, 450]) * MS
    series = Series(stamps, np.arange(4.0)[:, None] * np.ones(3))
    found = series.at(np.array([-1, 0, 25, 50, 200, 400, 430, 450, 451]) * MS, pose=False)[:, 0]
    np.testing.assert_allclose(found, [np.nan, 0, 0.5, 1, np.nan, 2, 2.6, 3, np.nan])
    empty = Series(stamps[:0], np.zeros((0, 7)))
    assert np.isnan(empty.at(stamps, pose=True)).all()


def test_rotations_are_measured_by_their_angle():
    made = task(action={'space': 'cartesian', 'components': ['x', 'y', 'z', 'rx', 'ry', 'rz']})
    commands = [pose(0.02 * i, yaw=3.1) for i in range(200)]
    # Across the half turn: 0.1 rad apart, however they are written.
    predicted = [pose(0.5 + 0.1 * i, yaw=3.2) for i in range(8)]
    position, rotation = comparison.compare(
        [planned(500, predicted)], recording(commands, WHOLE), made
    )
    assert (rotation.name, rotation.unit) == ('rotation', 'mrad')
    assert rotation.executed().p90 == pytest.approx(100, abs=1e-6)
    assert position.executed().largest == pytest.approx(0, abs=1e-9)


def test_joints_are_measured_by_the_one_that_is_furthest_off():
    made = task(action={'space': 'joint', 'components': JOINTS})
    commands = [[0.01 * i, -0.01 * i] for i in range(200)]
    predicted = [[0.25 + 0.05 * i + 0.002, -0.25 - 0.05 * i - 0.007] for i in range(8)]
    (measure,) = comparison.compare([planned(500, predicted)], recording(commands, WHOLE), made)
    assert (measure.name, measure.unit) == ('joints', 'mrad')
    np.testing.assert_allclose(measure.values, 7, atol=1e-6)


def test_no_errors_are_no_numbers():
    assert summary(np.full(3, np.nan)).described() == {
        'count': 0, 'mean': None, 'p50': None, 'p90': None, 'largest': None
    }  # fmt: skip
    assert comparison.compare([], recording([pose(0)], WHOLE), task()) == ()
