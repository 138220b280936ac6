"""Push-T in the cell while the policy thinks: the world goes on, in simulated time.

Planning and command stream are those of the robot. What stands in for a clock is the number of
2 ms steps; a plan arrives when its thinking time, and the latency added to it, have passed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dp_ros.core import rotations
from dp_ros.core.asynchronous import Ask, AsynchronousPlanning
from dp_ros.core.chunk import Verdict
from dp_ros.core.mode import Mode
from dp_ros.core.plans import Apart, chunks_apart
from dp_ros.core.receding import Horizon, StopAndWait
from dp_ros.core.robot import ArmStatus, RobotState
from dp_ros.core.seams import Roughness, roughness
from dp_ros.core.stamped import ActionChunk, Array, ObservationWindow
from dp_ros.core.stream import CommandStream
from dp_ros.sim import pusht
from dp_ros.sim.cell_model import TIMESTEP_S
from dp_ros.sim.environment import PushTCell
from dp_ros.sim.observed import Observed

STEP_NS = round(TIMESTEP_S * 1e9)
POSITION_AXES = 3


@dataclass(frozen=True)
class Thought:
    """A prediction (T_p, 7), poses, and for how long the policy thought about it."""

    waypoints: Array
    took_ns: int


Think = Callable[[ObservationWindow, Array | None, int], Thought]
"""Window, what is committed (T_p, 7) beside the prediction (None: nothing), steps of delay."""


@dataclass(frozen=True)
class Latency:
    """What is added to the thinking time: `added_ns`, and up to `jitter_ns` more at random.

    capture_ns: how much later than its grid time an observation is there.
    """

    added_ns: int = 0
    jitter_ns: int = 0
    capture_ns: int = 0

    def draw(self, random: np.random.Generator) -> int:
        """The latency of one chunk."""
        return self.added_ns + round(random.random() * self.jitter_ns)


@dataclass(frozen=True)
class Episode:
    """How an episode went.

    duration_s: until success, or the time limit; ending: 'placed', 'time limit', or why the stream
    stopped; splices: chunks that took over from another; apart: the two plans at those [m];
    ticks, idle_ticks: control periods since the first chunk, and those without an action to play;
    outrun: chunks whose delay was longer than foreseen, discarded; refused: by verdict.
    """

    seed: int
    success: bool
    coverage_max: float
    duration_s: float
    ending: str
    splices: int
    roughness: Roughness
    apart: tuple[Apart, ...]
    ticks: int
    idle_ticks: int
    outrun: int
    refused: Mapping[str, int]
    took_ms: tuple[float, ...]
    delays_ms: tuple[float, ...]


@dataclass(frozen=True)
class _UnderWay:
    """A plan that is being thought about."""

    ask: Ask
    waypoints: Array
    arrives_ns: int


class DelayedRollout:
    """One episode of `env` from the start of `seed`.

    pins: whether a plan of `think` is void if what was certain does not come to be.
    """

    def __init__(
        self,
        env: PushTCell,
        stream: CommandStream,
        horizon: Horizon,
        think: Think,
        latency: Latency,
        seed: int,
        pins: bool = False,
    ) -> None:
        self._env, self._stream = env, stream
        self._think, self._latency, self._seed = think, latency, seed
        self._planning = AsynchronousPlanning(horizon, pins)
        self._waits = isinstance(horizon, StopAndWait)
        self._period_ns = horizon.period_ns
        self._random = np.random.default_rng([seed, 1])
        self._tick_ns = round(stream.config.period_s * 1e9)
        self._observed = Observed(horizon.period_ns, horizon.window_steps)
        self._under_way: _UnderWay | None = None
        self._first_ns: int | None = None
        self._played_until_ns = 0
        self._seams: list[tuple[int, ...]] = []
        self._apart: list[Apart] = []
        self._commands: list[Array] = []
        self._idle_ticks = 0
        self._took_ms: list[float] = []
        self._delays_ms: list[float] = []
        self._coverage = 0.0

    def run(self, limit_s: float) -> Episode:
        """Until the T covers the goal, the stream stops, or `limit_s` have passed."""
        self._env.reset(self._seed)
        refusal = self._stream.arm(0, self._state())
        if refusal is not None:
            raise ValueError(f'start of seed {self._seed}: {refusal}')
        self._planning.begin(0)
        ending, now = 'time limit', 0
        for now in range(0, round(limit_s * 1e9), STEP_NS):
            if now % self._period_ns == 0:
                self._look(now)
                if self._coverage > pusht.SUCCESS_COVERAGE:
                    ending = 'placed'
                    break
            self._deliver(now)
            self._plan(now)
            setpoint = self._command(now) if now % self._tick_ns == 0 else None
            if self._stream.mode.mode is not Mode.POLICY:
                ending = self._stream.mode.reason
                break
            self._env.servo(setpoint)
        return self._episode(ending, now, limit_s)

    def _look(self, now_ns: int) -> None:
        """Observe the world at a grid time."""
        x, y, yaw = self._env.cell.block_pose
        turn = rotations.quaternion_from_rotation_vector(np.array([0.0, 0.0, yaw]))
        block = np.array([x, y, 0.0, *turn])
        self._observed.add(now_ns, {'tcp': self._env.cell.tcp_pose, 'block': block})
        self._coverage = max(self._coverage, self._env.coverage)

    def _plan(self, now_ns: int) -> None:
        """Begin to think, if a window is due and the policy is free."""
        if self._under_way is not None:
            return
        newest = (now_ns - self._latency.capture_ns) // self._period_ns * self._period_ns
        anchor = self._planning.anchor(newest, now_ns)
        if anchor is None:
            return
        ask = self._planning.ask(anchor, now_ns)
        thought = self._think(self._observed.window(anchor), ask.before, ask.delay_steps)
        self._took_ms.append(thought.took_ns / 1e6)
        delay_ns = thought.took_ns + self._latency.draw(self._random)
        self._under_way = _UnderWay(ask, thought.waypoints, now_ns + delay_ns)

    def _deliver(self, now_ns: int) -> None:
        """Hand a plan that has arrived to the stream."""
        plan = self._under_way
        if plan is None or now_ns < plan.arrives_ns:
            return
        self._under_way = None
        self._delays_ms.append((now_ns - plan.ask.anchor_ns) / 1e6)
        chunk = self._planning.answer(plan.ask, plan.waypoints, now_ns)
        if chunk is None:
            return
        before = self._stream.ahead(now_ns)
        if self._stream.offer(chunk, now_ns) is Verdict.ACCEPTED:
            self._took_over(before, chunk, now_ns)

    def _took_over(self, before: ActionChunk | None, chunk: ActionChunk, now_ns: int) -> None:
        if self._first_ns is None:
            self._first_ns = now_ns
        else:
            self._seams.append((now_ns, chunk.splice_ns))
            apart = None if self._waits else chunks_apart(before, chunk, POSITION_AXES)
            if apart is not None:
                self._apart.append(apart)
        # After its last action a chunk of stop-and-wait only holds the arm.
        self._played_until_ns = chunk.stamps_ns[-2] if self._waits else chunk.end_ns
        ahead = self._stream.ahead(now_ns)
        if ahead is not None:
            self._planning.accepted(ahead, now_ns)

    def _command(self, now_ns: int) -> Array | None:
        """One control period; where the tip shall go (2,), None where nothing is sent."""
        if self._first_ns is not None and now_ns > self._played_until_ns:
            self._idle_ticks += 1
        command = self._stream.tick(now_ns, self._state())
        if command is None:
            return None
        self._commands.append(command.values[:POSITION_AXES])
        setpoint: Array = command.values[:2]
        return setpoint

    def _state(self) -> RobotState:
        cell = self._env.cell
        return RobotState(
            controller_time_s=0.0,
            joint_positions=cell.joint_positions,
            joint_velocities=cell.joint_velocities,
            tcp_pose=cell.tcp_pose,
            tcp_wrench=np.zeros(6),
            status=ArmStatus.RUNNING,
        )

    def _episode(self, ending: str, now_ns: int, limit_s: float) -> Episode:
        success = ending == 'placed'
        begun = now_ns if self._first_ns is None else self._first_ns
        period = self._period_ns
        times = np.arange(len(self._commands), dtype=np.int64) * self._tick_ns
        playing = times >= begun
        passed = range(-(-begun // period) * period, now_ns, period)
        refused = {k: n for k, n in self._stream.verdicts.items() if k != 'accepted'}
        return Episode(
            seed=self._seed,
            success=success,
            coverage_max=self._coverage,
            duration_s=now_ns / 1e9 if success else limit_s,
            ending=ending,
            splices=len(self._seams),
            roughness=roughness(
                times[playing],
                np.array(self._commands).reshape(-1, POSITION_AXES)[playing],
                self._seams,
                passed,
            ),
            apart=tuple(self._apart),
            ticks=int(playing.sum()),
            idle_ticks=self._idle_ticks,
            outrun=self._planning.counts['discarded'],
            refused=refused,
            took_ms=tuple(self._took_ms),
            delays_ms=tuple(self._delays_ms),
        )
