"""What the policy reports of its clock, and what the executor makes of it, through DDS."""

import time

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from dp_ros.nodes import convert, topics
from dp_ros.nodes.clocks import ClockCheck, ClockReport
from dp_ros.nodes.health import Health
from tests.nodes.streams import POSE

MS = 1_000_000
TOLERANCE_NS = 50 * MS


class Pair:
    """A policy whose clock is ahead of that of the executor, in one process."""

    def __init__(self, ahead_ns=0, simulated=False):
        self.ahead_ns, self.faults, self.statuses = ahead_ns, [], []
        simulated = [Parameter('use_sim_time', value=simulated)]
        self.policy = rclpy.create_node('policy', parameter_overrides=simulated)
        self.arm = rclpy.create_node('executor')
        self.report = ClockReport(self.policy, lambda: time.time_ns() + self.ahead_ns)
        health = Health(self.arm)
        self.check = ClockCheck(self.arm, health, TOLERANCE_NS, time.time_ns, self.faults.append)
        topic = topics.DIAGNOSTICS
        self.arm.create_subscription(DiagnosticArray, topic.name, self._on_status, topic.qos)

    def run(self, executor, until, echo=True, timeout_s=10):
        """Until the condition holds; returns whether it did. echo: poses reach the policy."""
        for node in (self.policy, self.arm):
            executor.add_node(node)
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and not until():
            if echo:
                pose = convert.pose_message(time.time_ns(), POSE)
                self.report.note(topics.TCP_POSE.name, pose)
                self.report.note(topics.BLOCK_POSE.name, convert.pose_message(10**18, POSE))
            executor.spin_once(timeout_sec=0.01)
        return until()

    def _on_status(self, message):
        self.statuses += message.status


@pytest.fixture
def executor(domain):
    rclpy.init(domain_id=domain)
    executor = SingleThreadedExecutor()
    yield executor
    executor.shutdown()
    rclpy.try_shutdown()


@pytest.mark.parametrize(('ahead_s', 'where'), [(0.3, 'ahead'), (-0.3, 'behind')])
def test_a_difference_is_told_with_its_sign(executor, ahead_s, where):
    pair = Pair(round(ahead_s * 1e9))
    assert pair.run(executor, lambda: pair.statuses)
    assert f's {where}, 0.05 s allowed' in pair.faults[-1]
    (status, *_) = pair.statuses
    assert (status.name, status.level) == ('executor/clocks', DiagnosticStatus.ERROR)
    assert where in status.message
    values = {pair.key: float(pair.value) for pair in status.values}
    least, most = values['policy_ahead_ms_at_least'], values['policy_ahead_ms_at_most']
    assert least <= ahead_s * 1e3 <= most


def test_clocks_that_agree_are_told_to_agree(executor):
    pair = Pair()
    assert pair.run(executor, lambda: pair.statuses)
    assert set(pair.faults) == {''}
    assert pair.statuses[0].level == DiagnosticStatus.OK


def test_a_clock_that_is_behind_is_not_told_by_the_reports_alone(executor):
    pair = Pair(-300 * MS)
    assert pair.run(executor, lambda: pair.statuses, echo=False)
    assert set(pair.faults) == {''}
    values = {pair.key: pair.value for pair in pair.statuses[0].values}
    assert values['policy_ahead_ms_at_most'] == 'unknown'


def test_on_simulated_time_there_is_no_report(executor):
    pair = Pair(10**9, simulated=True)
    assert not pair.run(executor, lambda: pair.statuses, timeout_s=1.5)
    assert set(pair.faults) <= {''}
