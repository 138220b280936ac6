"""One row, once: the fault at a random moment of a rollout, and what was measured."""

import random
import time
from dataclasses import asdict, dataclass, field

from tests.faults.bench import Bench
from tests.faults.limits import violations
from tests.faults.row import HOLD, Row

# Motion is looked for until so long after the arm was told to hold.
SETTLE_S = 1.2
# The simulated servo follows its last command for so long, on two busy cores.
SERVO_LAG_S = 0.5
POLL_S = 0.01
REASON_S = 3.0


@dataclass
class Outcome:
    """What came of it. Times are since the fault [s]; None: not seen, or nothing to see.

    command_s: the last command that moved the arm; arm_s: the last motion of the arm itself;
    mode_s: the mode that commands was left. said: the text of /diagnostics that names the cause;
    recovery: what had to be done until the arm moved again.
    """

    row: str
    repeat: int
    seed: str
    command_s: float | None = None
    arm_s: float | None = None
    mode_s: float | None = None
    said: str = ''
    recovery: list[str] = field(default_factory=list)
    recovered_s: float | None = None
    failures: list[str] = field(default_factory=list)

    def hold_s(self, row: Row) -> float | None:
        """Time to hold, as the row has it."""
        return self.arm_s if row.by_arm else self.command_s

    def as_dict(self) -> dict:
        """For a line of JSON."""
        return asdict(self)


def run(row: Row, bench: Bench, repeat: int, seed: int) -> Outcome:
    """Do it; what did not go as the row says stands in `failures`.

    Raises BenchError where the graph was not at work in the first place.
    """
    key = f'{seed}/{row.name}/{repeat}'
    outcome = Outcome(row.name, repeat, key)
    chance = random.Random(key)
    try:
        bench.begin(chance)
        if row.prepare is not None:
            row.prepare(bench)
            bench.await_motion(chance)
    except AssertionError:
        bench.broken = True
        raise
    fault_s, restarts = time.monotonic(), bench.restarts
    try:
        row.inject(bench)
        ended_s = _watch(row, bench, fault_s)
        _measure(row, bench, outcome, fault_s, ended_s)
        if row.heal is not None:
            row.heal(bench)
        _name(row, bench, outcome, fault_s)
        _stay(row, bench, outcome)
    except (AssertionError, OSError) as error:
        outcome.failures.append(f'{type(error).__name__}: {str(error)[:300]}')
    _recover(row, bench, outcome, restarts)
    outcome.failures += [f'limit: {text}' for text in broken_limits(bench, bench.begun_s)]
    return outcome


def _watch(row: Row, bench: Bench, fault_s: float) -> float:
    """Until the arm holds, or the row's time is over; returns when the watch ended."""
    deadline = fault_s + row.watch_s
    while time.monotonic() < deadline:
        if row.expects == HOLD and bench.witness.left_s(fault_s) is not None:
            time.sleep(SETTLE_S)
            break
        time.sleep(POLL_S)
    return time.monotonic()


def _measure(row: Row, bench: Bench, outcome: Outcome, fault_s: float, ended_s: float) -> None:
    def since(at_s: float | None) -> float | None:
        return None if at_s is None else round(at_s - fault_s, 3)

    command = bench.witness.last_motion_s(fault_s, ended_s)
    outcome.mode_s = since(bench.witness.left_s(fault_s))
    if row.expects == HOLD:
        # Nothing moved after the fault: it held at once.
        outcome.command_s = since(command) or 0.0
        outcome.arm_s = None if row.blind else round(bench.arm.moved_for_s(fault_s, ended_s), 3)
        held = outcome.hold_s(row)
        if held is None or held > row.bound_s:
            outcome.failures.append(f'held after {held} s, {row.bound_s:g} s allowed')
        if outcome.arm_s is not None and outcome.arm_s > row.bound_s + SERVO_LAG_S:
            outcome.failures.append(f'the arm stood after {outcome.arm_s} s')
    elif outcome.mode_s is not None:
        outcome.failures.append(
            f'stopped after {outcome.mode_s} s: {bench.witness.statuses}'[:300]
        )


def _name(row: Row, bench: Bench, outcome: Outcome, fault_s: float) -> None:
    if not row.reason:
        return
    deadline = time.monotonic() + REASON_S
    while time.monotonic() < deadline and not outcome.said:
        outcome.said = bench.witness.told(row.reason, fault_s)
        time.sleep(POLL_S)
    if not outcome.said:
        said = {s.text for s in bench.witness.said if s.at_s > fault_s}
        outcome.failures.append(f'nobody said {row.reason!r}; said: {said}'[:400])


def _stay(row: Row, bench: Bench, outcome: Outcome) -> None:
    """Nothing moves before the re-arm, also when the cause is gone."""
    if row.expects != HOLD or (row.blind and row.heal is None):
        return
    healed_s = time.monotonic()
    time.sleep(0.7)
    settled_s = healed_s + (0.3 if row.heal else 0.0)
    if bench.witness.last_motion_s(settled_s, time.monotonic()):
        outcome.failures.append('commands moved the arm before the re-arm')
    if bench.arm.last_motion(settled_s, time.monotonic()):
        outcome.failures.append('the arm moved before the re-arm')


def _recover(row: Row, bench: Bench, outcome: Outcome, restarts: dict[str, int]) -> None:
    """As the row says; raises BenchError in the next row where it did not help."""
    begun_s = time.monotonic()
    try:
        for step in row.first:
            outcome.recovery.append(step)
            bench.recover(step)
        if row.expects == HOLD:
            outcome.recovery += bench.rearm()
        bench.witness.wait_for(
            lambda: bench.witness.last_motion_s(begun_s, time.monotonic()) is not None,
            row.back_s,
            'the arm moves again',
        )
        outcome.recovered_s = round(time.monotonic() - begun_s, 2)
        killed = [step.split()[-1] for step in row.first]
        outcome.recovery += [
            f'({name} had ended by itself and was restarted)'
            for name, count in bench.restarts.items()
            if count > restarts[name] and name not in killed and 'SIGKILL' not in row.name
        ]
    except (AssertionError, OSError) as error:
        outcome.failures.append(f'recovery: {type(error).__name__}: {str(error)[:300]}')
        bench.broken = True


def broken_limits(bench: Bench, begun_s: float) -> list[str]:
    """What the commands since `begun_s` broke, and the joints as the controller moved them."""
    sent = [command for command in bench.witness.sent if command.at_s > begun_s]
    broken = violations(sent, bench.robot.cartesian, 1 / bench.robot.rate_hz)
    fastest = max((s.joint_speed for s in bench.arm.seen if s.at_s > begun_s), default=0.0)
    allowed = max(bench.robot.joint.speed)
    if fastest > 1.02 * allowed:
        broken.append(f'joint speed {fastest:.3g} rad/s, {allowed:g} allowed')
    return broken
