"""Two arms that carry a bar while one policy thinks for both: in simulated time, in lock-step.

Each arm has a command stream of its own, as each has an executor of its own on a robot; planning
and what keeps the arms together are those of the process that plans (core/together.py). A plan
reaches both streams when its delay has passed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dp_ros.core import rotations
from dp_ros.core.arms import CLOSED, Share
from dp_ros.core.asynchronous import Ask, AsynchronousPlanning
from dp_ros.core.chunk import Verdict
from dp_ros.core.mode import Mode
from dp_ros.core.receding import RecedingHorizon
from dp_ros.core.robot import ArmStatus, RobotState
from dp_ros.core.stamped import ActionChunk, Array, ObservationWindow, frozen_array
from dp_ros.core.stream import CommandStream
from dp_ros.core.switches import Switches
from dp_ros.core.together import Together
from dp_ros.hardware.ur_kinematics import quaternion_pose
from dp_ros.sim.carry import PARTS, Carry
from dp_ros.sim.observed import Observed

STEP_NS = 4_000_000
"""Grid times and control periods are multiples of it."""
WATCHED_NS = 500_000_000
"""For how long arms that have been stopped are played on, until they stand."""

Think = Callable[[ObservationWindow, Array | None, int], Array]
"""Window, what is committed (T_p, 14) beside the plan (None: nothing), steps of delay -> plan."""


@dataclass(frozen=True)
class Played:
    """How an episode went.

    ending: 'placed', 'slipped', 'time limit', or by arm why its stream stopped; splices: by arm,
    when a chunk took over; sent: by arm, times (n,) [ns] and joints (n, 6) that were sent; closed:
    by arm, the state of its gripper at these; verdicts: by arm, what became of its chunks.
    """

    seed: int
    ending: str
    duration_s: float
    coverage: float
    splices: Mapping[str, tuple[int, ...]]
    sent: Mapping[str, tuple[Array, Array]]
    closed: Mapping[str, tuple[bool, ...]]
    verdicts: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class _UnderWay:
    ask: Ask
    waypoints: Array
    arrives_ns: int


class DelayedArms:
    """One episode of `world` from the start of `seed`; plans come `delay_ns` after their window.

    streams: by arm, not armed yet.
    """

    def __init__(
        self,
        world: Carry,
        streams: Mapping[str, CommandStream],
        horizon: RecedingHorizon,
        think: Think,
        delay_ns: int,
        seed: int,
    ) -> None:
        self._world, self._streams, self._think = world, streams, think
        self._delay_ns, self._seed = delay_ns, seed
        self._period_ns = horizon.period_ns
        self._tick_s = next(iter(streams.values())).config.period_s
        self._planning = AsynchronousPlanning(horizon)
        self._together = Together(PARTS)
        self._observed = Observed(horizon.period_ns, horizon.window_steps)
        self._switches = {arm: Switches.standing(0, np.zeros(1)) for arm in PARTS}
        self._under_way: _UnderWay | None = None
        self._splices: dict[str, list[int]] = {arm: [] for arm in PARTS}
        self._sent: dict[str, list[tuple[int, Array, bool]]] = {arm: [] for arm in PARTS}

    def run(self, limit_s: float) -> Played:
        """Until the bar is placed or slips, both arms have been stopped, or `limit_s` are over."""
        self._world.reset(self._seed)
        for arm, stream in self._streams.items():
            refusal = stream.arm(0, self._state(arm))
            if refusal is not None:
                raise ValueError(f'{arm} arm, start of seed {self._seed}: {refusal}')
        self._hear(0)
        stopped_ns, now = None, 0
        for now in range(0, round(limit_s * 1e9), STEP_NS):
            if now % self._period_ns == 0:
                self._observed.add(now, _streams(self._world))
                if self._world.done:
                    break
            self._deliver(now)
            self._plan(now)
            self._command(now)
            if not self._together.begun:
                stopped_ns = now if stopped_ns is None else stopped_ns
                if now > stopped_ns + WATCHED_NS:
                    break
        return self._played(now)

    def _plan(self, now_ns: int) -> None:
        """Begin to think, if a window is due and the policy is free."""
        newest = now_ns // self._period_ns * self._period_ns
        anchor = self._planning.anchor(newest, now_ns) if self._under_way is None else None
        if anchor is None or not self._together.begun:
            return
        ask = self._planning.ask(anchor, now_ns)
        waypoints = self._think(self._observed.window(anchor), ask.before, ask.delay_steps)
        self._under_way = _UnderWay(ask, waypoints, now_ns + self._delay_ns)

    def _deliver(self, now_ns: int) -> None:
        """Send each arm its share of a plan that has arrived, and hear what they will play."""
        plan = self._under_way
        if plan is None or now_ns < plan.arrives_ns:
            return
        self._under_way = None
        chunk = self._planning.answer(plan.ask, plan.waypoints, now_ns)
        if chunk is None or not self._together.begun:
            return
        for arm, share in self._together.sent(chunk).items():
            stream = self._streams[arm]
            if stream.offer(share.joints, now_ns) is not Verdict.ACCEPTED:
                continue
            self._switches[arm] = self._switches[arm].accept(share.states, now_ns)
            self._splices[arm].append(chunk.splice_ns)
            ahead = stream.ahead(now_ns)
            if ahead is None:
                continue
            agreed = self._together.accepted(arm, self._share(arm, ahead))
            if agreed is not None:
                self._planning.accepted(agreed, now_ns)

    def _command(self, now_ns: int) -> None:
        """One control period of each arm, where it is due; then hear who still follows."""
        if now_ns % round(self._tick_s * 1e9):
            return
        setpoints = {}
        for arm, stream in self._streams.items():
            command = stream.tick(now_ns, self._state(arm))
            if stream.mode.mode is not Mode.POLICY:
                self._switches[arm] = self._switches[arm].held(now_ns)
            if command is not None:
                setpoints[arm] = command.values
                self._sent[arm].append((now_ns, command.values, self._closed(arm, now_ns)))
        closed = {arm: self._closed(arm, now_ns) for arm in PARTS}
        self._world.servo(setpoints, closed, self._tick_s)
        self._hear(now_ns)

    def _hear(self, now_ns: int) -> None:
        """Who is commanded by the policy, and whose plan is withdrawn for it."""
        for arm, stream in self._streams.items():
            if self._together.commanded(arm, stream.mode.mode is Mode.POLICY):
                self._planning.begin(now_ns)
        for arm in self._together.withdrawn(now_ns):
            self._streams[arm].policy_blind()

    def _share(self, arm: str, ahead: ActionChunk) -> Share:
        states = [self._switches[arm].due(stamp) for stamp in ahead.stamps_ns]
        return Share(ahead, ActionChunk(ahead.stamps_ns, frozen_array(states)))

    def _closed(self, arm: str, now_ns: int) -> bool:
        return bool(self._switches[arm].due(now_ns)[0] > CLOSED)

    def _state(self, arm: str) -> RobotState:
        body = self._world.arms[arm]
        return RobotState(
            controller_time_s=0.0,
            joint_positions=body.joints,
            joint_velocities=np.zeros(6),
            tcp_pose=quaternion_pose(body.pose),
            tcp_wrench=np.zeros(6),
            status=ArmStatus.RUNNING,
        )

    def _played(self, now_ns: int) -> Played:
        return Played(
            seed=self._seed,
            ending=self._ending(),
            duration_s=now_ns / 1e9,
            coverage=self._world.coverage,
            splices={arm: tuple(splices) for arm, splices in self._splices.items()},
            sent={
                arm: (np.array([t for t, _, _ in rows]), np.array([q for _, q, _ in rows]))
                for arm, rows in self._sent.items()
            },
            closed={arm: tuple(c for _, _, c in rows) for arm, rows in self._sent.items()},
            verdicts={arm: dict(stream.verdicts) for arm, stream in self._streams.items()},
        )

    def _ending(self) -> str:
        if self._world.done:
            return 'slipped' if self._world.slipped else 'placed'
        if self._together.begun:
            return 'time limit'
        return '; '.join(f'{arm}: {s.mode.reason}' for arm, s in self._streams.items())


def _streams(world: Carry) -> dict[str, Array]:
    """What the policy's streams say now (config/tasks/two_arms_carry.yaml)."""
    arms = {
        arm: np.append(body.joints, float(world.closed[arm])) for arm, body in world.arms.items()
    }
    tips = {f'{arm}_tcp': quaternion_pose(body.pose) for arm, body in world.arms.items()}
    return {**arms, **tips, 'bar': _pose(world.bar), 'goal': _pose(world.goal)}


def _pose(bar: Array) -> Array:
    turn = rotations.quaternion_from_rotation_vector(np.array([0.0, 0.0, bar[3]]))
    return np.array([*bar[:3], *turn])
