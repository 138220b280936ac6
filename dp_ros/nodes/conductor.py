"""The conductor: puts the cell to a start, arms, watches one episode, lets go; and listens."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from dp_ros.core.lasting import LastingValues
from dp_ros.core.mode import Mode
from dp_ros.data import messages
from dp_ros.nodes import topics
from dp_ros.nodes.calls import CallError
from dp_ros.nodes.cell_calls import CellCalls
from dp_ros.nodes.parameters import declare
from dp_ros.sim.episode_record import EpisodeRecord, Track
from dp_ros.task import pose_components

# Samples from before the reset have left every queue after this.
SETTLE_S = 0.3
# Of the executor's diagnostics: what begins anew where it is started again.
EXECUTOR_COUNTERS = ('policy_ticks', 'idle_ticks', 'protective_stops', 'chunks_', 'limited_')
# The T counts as placed once its IoU has been that of the demonstrations for this long.
PLACED_FOR_S = 0.3
# A policy that keeps the arm still for so long has finished, whether the T is in place or not.
RESTS_FOR_S = 3.0
WATCH_PERIOD_S = 0.05
# How long an episode waits for a graph that is complete, and how often it is tried.
GRAPH_TIMEOUT_S = 60.0
RETRY_S = 0.5
# A policy whose streams nothing was heard of for so long has been lost.
SILENT_S = 2.0


class ConductorError(RuntimeError):
    """The graph does not do what an episode needs; the text says what was asked of whom."""


class ConductorNode(Node):
    """Runs episodes through the graph's own services and records its topics."""

    def __init__(self) -> None:
        super().__init__('rollout')
        self.out = declare(self, 'out', 'out/demo', 'folder for the report and the pictures')
        self.episodes = declare(self, 'episodes', 5, 'how many episodes', (1, 10_000))
        self.first_seed = declare(self, 'seed', 1000, 'seed of the first; the next ones follow')
        self.limit_s = declare(self, 'limit_s', 60.0, 'longest episode [s]', (1.0, 3600.0))
        self.video = declare(self, 'video', True, 'draw demo.mp4 and trajectory.png')
        self.checkpoint = declare(
            self, 'checkpoint', '', 'folder of the checkpoint, for the report'
        )
        self.task_file = declare(self, 'task', '', 'task description (YAML file)')
        self.chunks: dict[int, dict[str, float]] = {}
        self._executor = LastingValues(EXECUTOR_COUNTERS)
        self.sim_values: dict[str, str] = {}
        self._record: EpisodeRecord | None = None
        self._mode, self._complaint = '', ''
        self._unseen, self._seen_s = 'nothing is known of its streams', 0.0
        self._troubles = ''
        self._reasons: dict[str, str] = {}
        self._cell = CellCalls(self)
        self._listen_in_episode(topics.JOINT_STATES, _keep_joints)
        self._listen_in_episode(topics.BLOCK_POSE, _keep_block)
        self._listen_in_episode(topics.TCP_POSE, lambda r, m: _keep_pose(r.tip, m))
        self._listen_in_episode(topics.CARTESIAN_COMMAND, lambda r, m: _keep_pose(r.command, m))
        self._listen_in_episode(topics.CARTESIAN_CHUNK, self._keep_chunk)
        self._listen_in_episode(topics.CARTESIAN_SCHEDULE, _keep_splice)
        self._listen(topics.MODE, self._on_mode)
        self._listen(topics.DIAGNOSTICS, self._on_diagnostics)

    def run_episode(self, seed: int, success_iou: float) -> EpisodeRecord:
        """One episode from the start of `seed` to success, a stop or the time limit.

        What the graph has lost may come back first. Raises ConductorError or CallError when it
        does not. Call it outside the spinning thread.
        """
        record = self._begin(seed)
        self._reasons.clear()
        self._await_policy()
        self._watch(record, success_iou)
        record.ended_ns = self._now_ns()
        try:
            self._cell.release()
        except CallError as error:
            # An executor that died has let go, too; the next episode waits for its successor.
            self.get_logger().warning(str(error))
        # The score is of the T at rest, after the arm has let go.
        time.sleep(SETTLE_S)
        self._record = None
        record.score()
        return record

    def _begin(self, seed: int) -> EpisodeRecord:
        deadline = time.monotonic() + GRAPH_TIMEOUT_S
        while True:
            self._wait_for_graph(deadline - time.monotonic())
            try:
                self._cell.to_start(seed)
                time.sleep(SETTLE_S)
                record = self._record = EpisodeRecord(seed, started_ns=self._now_ns())
                self._cell.arm()
            except CallError as error:
                if time.monotonic() > deadline:
                    raise
                self.get_logger().warning(f'not begun: {error}', throttle_duration_sec=5.0)
                time.sleep(RETRY_S)
            else:
                record.started_ns = self._now_ns()
                return record

    def _wait_for_graph(self, timeout_s: float) -> None:
        """Until the services are there, the policy is warm and sees all that it needs.

        Raises ConductorError.
        """
        deadline = time.monotonic() + timeout_s
        missing = self._cell.missing(timeout_s)
        if missing:
            complaint = f'; last complaint: {self._complaint}' if self._complaint else ''
            raise ConductorError(f'{missing} did not appear within {timeout_s:.0f} s{complaint}')
        while not self.count_publishers(topics.CARTESIAN_CHUNK.name):
            if time.monotonic() > deadline:
                raise ConductorError(
                    f'the policy was not ready within {timeout_s:.0f} s: '
                    f'{self._complaint or "it said nothing"}'
                )
            time.sleep(0.05)
        while self._missed():
            if time.monotonic() > deadline:
                raise ConductorError(
                    f'the policy did not see all that it needs within {timeout_s:.0f} s: '
                    f'{self._missed()}; last complaint: {self._complaint or "none"}'
                )
            time.sleep(0.05)

    def _missed(self) -> str:
        """What the policy lacks for an episode; '' if nothing."""
        if time.monotonic() > self._seen_s + SILENT_S:
            return 'nothing was heard of its streams lately'
        return self._unseen or self._troubles

    def _await_policy(self) -> None:
        """The service's answer may overtake the topic that tells the mode."""
        deadline = time.monotonic() + SETTLE_S
        while self._mode != Mode.POLICY.value and time.monotonic() < deadline:
            time.sleep(WATCH_PERIOD_S / 10)

    def _watch(self, record: EpisodeRecord, success_iou: float) -> None:
        placed_since: int | None = None
        while True:
            time.sleep(WATCH_PERIOD_S)
            now = self._now_ns()
            record.score()
            if record.iou_last < success_iou:
                placed_since = None
            elif placed_since is None:
                placed_since = now
            elif now - placed_since > PLACED_FOR_S * 1e9:
                record.placed_ns = placed_since
                record.ending = 'placed'
                return
            if self._mode != Mode.POLICY.value:
                unseen = f'; {self._unseen}' if self._unseen else ''
                record.ending = f'{self._mode}: {self._reason_of(self._mode)}{unseen}'
                return
            if record.rests(now, RESTS_FOR_S):
                record.ending = 'the arm rests'
                return
            if now - record.started_ns > self.limit_s * 1e9:
                record.ending = 'time limit'
                return

    def _reason_of(self, mode: str) -> str:
        """Why the mode was entered; /diagnostics may be a little behind the mode topic."""
        deadline = time.monotonic() + SETTLE_S
        while mode not in self._reasons and time.monotonic() < deadline:
            time.sleep(WATCH_PERIOD_S)
        return self._reasons.get(mode, 'no reason given')

    def _listen(self, topic: topics.Topic, callback: Callable[[Any], None]) -> None:
        self.create_subscription(topic.type, topic.name, callback, topic.qos)

    def _listen_in_episode(
        self, topic: topics.Topic, keep: Callable[[EpisodeRecord, Any], None]
    ) -> None:
        def callback(message: Any) -> None:
            # The conducting thread may end the episode at any moment.
            record = self._record
            if record is not None:
                keep(record, message)

        self._listen(topic, callback)

    def _keep_chunk(self, record: EpisodeRecord, message: Any) -> None:
        if message.points:  # else the policy has withdrawn its plan
            record.chunks.add(self._now_ns(), messages.cartesian_chunk(message).waypoints)

    def _on_mode(self, message: Any) -> None:
        self._mode = message.data

    @property
    def executor_values(self) -> dict[str, str]:
        """The executor's last values; what it counts, over its restarts."""
        return self._executor.values

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name == 'executor':
                self._executor.hear(values)
            elif status.name == 'executor/mode':
                self._reasons[values['mode']] = status.message
            elif status.name == 'observation':
                self._unseen = '' if status.level == status.OK else status.message
                self._seen_s = time.monotonic()
            elif status.name == 'manager':
                self._troubles = '' if status.level == status.OK else status.message
            elif status.name == 'sim':
                self.sim_values = values
            elif status.name in ('executor/chunk', 'inference/chunk'):
                numbers = {k: float(v) for k, v in values.items() if k.endswith('_ms')}
                self.chunks.setdefault(int(values['splice_ns']), {}).update(numbers)
            if status.level == status.ERROR:
                self._complaint = f'{status.name}: {status.message}'

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _keep_joints(record: EpisodeRecord, message: Any) -> None:
    sample = messages.joint_sample(message, message.name)
    record.joints.add(sample.stamp_ns, sample.value)


def _keep_block(record: EpisodeRecord, message: Any) -> None:
    sample = messages.pose_sample(message)
    record.block.add(sample.stamp_ns, pose_components(sample.value, ('x', 'y', 'yaw')))


def _keep_pose(track: Track, message: Any) -> None:
    sample = messages.pose_sample(message)
    track.add(sample.stamp_ns, sample.value)


def _keep_splice(record: EpisodeRecord, message: Any) -> None:
    record.splices_ns.append(messages.nanoseconds(message.header.stamp))
