"""A policy's actions are sent sooner than due, for an arm that lags by as much."""

import dataclasses

import numpy as np
import pytest

from dp_ros import paths
from dp_ros.core.chunk import Verdict
from dp_ros.core.robot import ArmStatus, RobotState
from dp_ros.core.stamped import ActionChunk
from dp_ros.core.stream import CommandStream
from dp_ros.learning.planner import receding_horizon
from dp_ros.robot import load_robot
from dp_ros.task import load_task

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 8 * MS
TASK = load_task(paths.share('config', 'tasks', 'pusht_cell.yaml'))
HOME = np.array([0.45, 0.0, 0.2, 0.0, 1.0, 0.0, 0.0])
STATE = RobotState(0.0, np.zeros(6), np.zeros(6), HOME, np.zeros(6), ArmStatus.RUNNING)
BEGINS_NS = START_NS + 900 * MS


def robot(lead_s):
    shipped = load_robot(paths.share('config', 'robots', 'ur5e_sim.yaml'))
    return shipped.model_copy(update={'arm': shipped.arm.model_copy(update={'lead_s': lead_s})})


def armed(lead_s):
    # One chunk is played for longer than a policy would leave it.
    config = dataclasses.replace(robot(lead_s).stream(TASK), patience_ns=10_000 * MS)
    stream = CommandStream(config)
    assert stream.arm(START_NS, STATE) is None
    return stream


def asked(seconds):
    """Where the policy wants the tip, by time after BEGINS_NS: slowly there and back."""
    points = np.tile(HOME, (len(seconds), 1))
    points[:, 0] += 0.03 * (1 - np.cos(2 * np.pi * 0.5 * seconds))
    return points


def played(lead_s):
    """Times [s] after BEGINS_NS and the commands (n, 7) that were sent then."""
    stream = armed(lead_s)
    offsets = np.arange(0, 2.5, 0.1)
    stamps = tuple(BEGINS_NS + round(t * 1e9) for t in offsets)
    times, commands = [], []
    for now in range(START_NS + PERIOD_NS, BEGINS_NS + 2_300 * MS, PERIOD_NS):
        if now == START_NS + 50 * PERIOD_NS:
            assert stream.offer(ActionChunk(stamps, asked(offsets)), now) is Verdict.ACCEPTED
        command = stream.tick(now, STATE)
        if command is not None:
            times.append((now - BEGINS_NS) / 1e9)
            commands.append(command.values)
    return np.array(times), np.stack(commands)


@pytest.mark.parametrize('lead_s', [0.0, 0.08, 0.2])
def test_what_is_due_at_a_time_is_sent_the_lead_before(lead_s):
    times, commands = played(lead_s)
    inside = (times > 0.2) & (times < 2.0)
    difference = commands[inside] - asked(times[inside] + lead_s)
    assert np.abs(difference).max() < 0.002


def test_an_arm_that_lags_is_on_time_with_the_lead():
    lag_s = 0.1
    errors = {}
    for lead_s in (0.0, lag_s):
        times, commands = played(lead_s)
        at, error = commands[0].copy(), 0.0
        for time, command in zip(times, commands, strict=True):
            at += (1 - np.exp(-PERIOD_NS / 1e9 / lag_s)) * (command - at)
            if 0.5 < time < 2.0:
                error = max(error, np.abs(at - asked(np.array([time]))[0]).max())
        errors[lead_s] = error
    assert errors[0.0] > 0.008
    assert errors[lag_s] < 0.002


def test_the_first_motion_does_not_jump():
    _, commands = played(0.2)
    steps = np.abs(np.diff(commands[:, 0]))
    assert steps.max() < 0.1 * PERIOD_NS / 1e9 * 1.3


def test_a_chunk_that_should_have_been_sent_already_is_late():
    stream = armed(0.2)
    now = START_NS + 500 * MS
    for splice, verdict in ((now + 199 * MS, Verdict.LATE), (now + 201 * MS, Verdict.ACCEPTED)):
        stamps = tuple(splice + i * 100 * MS for i in range(5))
        assert stream.offer(ActionChunk(stamps, np.tile(HOME, (5, 1))), now) is verdict


def test_whoever_plans_leaves_the_lead_its_time():
    assert receding_horizon(TASK, robot(0.08).lead_ns) == dataclasses.replace(
        receding_horizon(TASK), margin_ns=receding_horizon(TASK).margin_ns + 80 * MS
    )
    assert robot(0.0).lead_ns == 0
