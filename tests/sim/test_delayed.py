"""The real core around the cell in simulated time, with scripted plans."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from dp_ros.core.receding import StopAndWait
from dp_ros.core.stream import CommandStream
from dp_ros.learning.planner import receding_horizon
from dp_ros.paths import share
from dp_ros.robot import load_robot
from dp_ros.sim.delayed import DelayedRollout, Latency, Thought
from dp_ros.sim.environment import PushTCell
from dp_ros.task import load_task

TASK = load_task(share('config', 'tasks', 'pusht_cell.yaml'))
ROBOT = load_robot(share('config', 'robots', 'ur5e_sim.yaml'))
SEED = 5001
PERIOD = TASK.period_ns
MS = 1_000_000


@pytest.fixture(scope='module')
def cell():
    return PushTCell()


class Script:
    """Goes round slowly, from where the tip stands at first; the same at a time in every plan.

    Optionally `other` centimetres beside itself, in every second plan.
    """

    def __init__(self, took_ms=10.0, other=0.0):
        self.took_ns, self.other = round(took_ms * MS), other
        self.asked = []
        self._start = None

    def __call__(self, window, committed, delay_steps):
        if self._start is None:
            self._start = window.streams['tcp'][-1, :2]
        self.asked.append((window.anchor_ns, committed, delay_steps))
        due = window.anchor_ns + PERIOD * np.arange(TASK.horizons.prediction)
        angle = 1.0 * due / 1e9
        aside = 0.01 * self.other * (len(self.asked) % 2)
        x = self._start[0] + 0.03 * (1 - np.cos(angle)) + aside
        y = self._start[1] + 0.03 * np.sin(angle)
        actions = np.stack([x, y], axis=1)
        return Thought(TASK.action.poses(actions), self.took_ns)


def roll(cell, script, latency=None, waits=False, limit_s=4.0, pins=False):
    horizon = receding_horizon(TASK)
    config = ROBOT.stream(TASK)
    if waits:
        horizon = StopAndWait(**vars(horizon))
        config = replace(config, patience_ns=config.patience_ns + 30 * PERIOD)
    stream = CommandStream(config)
    rollout = DelayedRollout(cell, stream, horizon, script, latency or Latency(), SEED, pins)
    return rollout.run(limit_s)


def test_the_arm_is_never_idle_while_the_policy_thinks(cell):
    episode = roll(cell, Script(), Latency(added_ns=200 * MS))
    assert episode.ending == 'time limit'
    assert episode.idle_ticks == 0
    assert episode.ticks > 300
    assert episode.refused == {}
    assert episode.outrun == 0


def test_stop_and_wait_stands_while_it_thinks(cell):
    waiting = roll(cell, Script(), Latency(added_ns=200 * MS), waits=True, limit_s=6.0)
    assert waiting.ending == 'time limit'
    assert 0.3 < waiting.idle_ticks / waiting.ticks < 0.8
    assert waiting.apart == ()


def test_the_time_that_is_charged_is_the_thinking_time_and_what_is_added(cell):
    slow = roll(cell, Script(took_ms=100), Latency(added_ns=50 * MS))
    assert np.array(slow.delays_ms) == pytest.approx(150, abs=2)
    assert slow.took_ms[0] == 100


def test_observations_that_come_late_delay_the_chunks(cell):
    late = roll(cell, Script(), Latency(capture_ns=40 * MS))
    assert np.array(late.delays_ms) == pytest.approx(50, abs=2)


def test_the_same_seed_gives_the_same_bytes_and_another_jitter_does_not(cell):
    latency = Latency(added_ns=20 * MS, jitter_ns=150 * MS)
    first, second = (json.dumps(asdict(roll(cell, Script(), latency))) for _ in range(2))
    assert first == second
    assert json.dumps(asdict(roll(cell, Script(), Latency(20 * MS, 140 * MS)))) != first


def test_the_plan_knows_what_is_committed_from_the_second_chunk_on(cell):
    script = Script()
    roll(cell, script, Latency(added_ns=150 * MS))
    assert script.asked[0][1:] == (None, 0)
    for anchor, committed, delay_steps in script.asked[2:]:
        # 160 ms and the margin of 25: one waypoint is passed until then.
        assert delay_steps == 1
        due = anchor + PERIOD * np.arange(TASK.horizons.prediction)
        known = np.isfinite(committed[:, 0])
        expected = script._start[1] + 0.03 * np.sin(due / 1e9)
        assert known[:10].all()
        assert committed[known, 1] == pytest.approx(expected[known], abs=1e-9)


def test_plans_that_agree_are_joined_without_a_seam(cell):
    episode = roll(cell, Script(), Latency(added_ns=200 * MS))
    assert len(episode.apart) >= 7
    assert max(apart.timed for apart in episode.apart) < 1e-9
    assert episode.roughness.ratio < 1.4


def test_plans_that_differ_are_told_apart(cell):
    calm = roll(cell, Script(), Latency(added_ns=200 * MS))
    torn = roll(cell, Script(other=4.0), Latency(added_ns=200 * MS))
    assert [apart.timed for apart in torn.apart] == pytest.approx(
        [0.04] * len(torn.apart), abs=1e-6
    )
    assert torn.roughness.ratio > 1.5 * calm.roughness.ratio


def test_a_chunk_that_outran_what_it_counted_on_is_discarded_and_the_old_one_plays_on(cell):
    class Lagging(Script):
        def __call__(self, window, committed, delay_steps):
            # The first chunks come fast, the sixth very late.
            self.took_ns = (500 if len(self.asked) == 5 else 10) * MS
            return super().__call__(window, committed, delay_steps)

    episode = roll(cell, Lagging(), pins=True)
    assert episode.outrun == 1
    assert episode.idle_ticks == 0
    assert episode.ending == 'time limit'
    assert roll(cell, Lagging()).outrun == 0


def test_a_policy_that_falls_silent_ends_the_episode_with_the_reason(cell):
    class Silent(Script):
        def __call__(self, window, committed, delay_steps):
            self.took_ns = (10 if len(self.asked) < 3 else 60_000) * MS
            return super().__call__(window, committed, delay_steps)

    episode = roll(cell, Silent(), limit_s=8.0)
    assert not episode.success
    assert 'no new chunk' in episode.ending
    assert episode.duration_s == 8.0
