"""A graph at work that faults are done to, and all that watches it."""

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from std_srvs.srv import SetBool, Trigger

from dp_ros.core.backoff import Backoff
from dp_ros.nodes import topics
from dp_ros.robot import load_robot
from dp_ros.ros_process import Process
from dp_ros.running import Graph
from tests.faults.arm_watch import ArmWatch
from tests.faults.witness import Witness
from tests.system.observer import observing

START_S = 60.0
# As often as rows may ask for it: how many restarts are too many is tested elsewhere.
OFTEN = Backoff(longest_s=1.0, most=1000)
# The manager gives a node up that was lost more often within five minutes.
MOST_LOSSES = 5
# The arm is at work when it moves faster than this [m/s].
MOVING = 0.03
# What the newest status of a process says once it is ready.
READY = {
    'policy': ('inference', 'warm'),
    'sim': ('sim', ''),
    'recorder': ('recorder', 'ready'),
    'teleop': ('teleop', ''),
    'manager': ('manager', ''),
    'overhead': ('camera/overhead', 'frames come'),
    'wrist': ('camera/wrist', 'frames come'),
}


class BenchError(AssertionError):
    """The graph itself is not fit to be tested: no row's fault."""


@dataclass(frozen=True)
class TestProcess(Process):
    """An executable of these tests, with the parameters of one of the package."""

    __test__ = False

    def command(self) -> list[str]:
        """As the package's, from tests.faults."""
        return [
            word.replace('dp_ros.nodes.', 'tests.faults.') if word.startswith('dp_ros.') else word
            for word in super().command()
        ]


class Bench:
    """The running graph `processes`, whose controller really answers at `address`."""

    def __init__(
        self,
        kind: str,
        processes: Sequence[Process],
        address: str,
        domain: int,
        out: Path,
        backoff: Backoff | None = OFTEN,
    ) -> None:
        self.kind, self.address, self.domain, self.out = kind, address, domain, out
        self.robot = load_robot(_robot_of(processes))
        self.extra: dict[str, object] = {}
        self._made = {process.name: process for process in processes}
        self._stack = contextlib.ExitStack()
        self._graph = Graph(processes, out / 'logs', domain, backoff)
        self._again: list[Graph] = []
        self._modes_told = 0
        self._losses: Counter[str] = Counter()
        self.broken = False
        self.codes: dict[str, int] = {}
        try:
            self._graph.start()
            self.witness: Witness = self._stack.enter_context(observing(domain, kind=Witness))
            self.arm: ArmWatch = self._stack.enter_context(ArmWatch(address))
            self._wait_until_ready(processes)
        except BaseException:
            self.close()
            raise

    def fit(self, kind: str) -> bool:
        """Whether it is of this kind, and the next fault can be done to it."""
        worn = max(self._losses.values(), default=0) >= MOST_LOSSES
        return self.kind == kind and not self.broken and not worn

    def when_closed(self, call) -> None:
        """Call it once the graph has ended."""
        self._stack.callback(call)

    @property
    def processes(self) -> dict[str, Any]:
        """Those of the graph, as they run now."""
        return self._graph.processes

    @property
    def cameras(self) -> list[str]:
        """The names of its cameras."""
        return [name for name, process in self._made.items() if process.executable == 'camera']

    @property
    def restarts(self) -> dict[str, int]:
        """How often each process was started again."""
        return dict(self._graph.restarts)

    # What rows do to it.

    def process(self, name: str):
        """The running process called `name`."""
        graphs = (*reversed(self._again), self._graph)
        return next(g.processes[name] for g in graphs if name in g.processes)

    def kill(self, name: str) -> None:
        """SIGKILL. What it has said is forgotten, so that what it says next is new."""
        self._losses[name] += 1
        process, said = self.process(name), self.witness.statuses
        self._modes_told = len(self.witness.modes)
        process.kill()
        process.wait()
        status = READY.get(name, (name,))[0]
        for stale in [s for s in said if s == status or s.startswith(f'{status}/')]:
            said.pop(stale, None)

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self._losses[name] += 1
        self.process(name).send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.process(name).send_signal(signal.SIGCONT)

    def sim_event(self, name: str) -> None:
        """What can happen to the simulated controller."""
        done, text = self.witness.trigger(topics.sim_event(name))
        if not done:
            raise BenchError(f'{name}: {text}')

    def set_parameter(self, node: str, name: str, value: str | int) -> None:
        """Set a parameter of a running node."""
        if isinstance(value, str):
            given = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        else:
            given = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
        request = SetParameters.Request(parameters=[Parameter(name=name, value=given)])
        answer = self.witness.ask(SetParameters, f'/{node}/set_parameters', request)
        if not answer.results[0].successful:
            raise BenchError(f'/{node} {name}: {answer.results[0].reason}')

    # The run that a fault falls into.

    def begin(self, chance: random.Random) -> None:
        """A new episode, up to a random moment at which the arm moves; raises BenchError."""
        for _ in range(4):
            try:
                if self.witness.mode not in ('idle', 'holding'):
                    self.rearm()
                self._retry(lambda: self.witness.arm(False), 'let go')
                self.set_parameter('sim', 'seed', chance.randrange(1000, 2000))
                self._retry(self.witness.reset, 'reset')
                self.begun_s = time.monotonic()
                self.witness.forget()
                self.arm.forget()
                self.rearm()
                self.await_motion(chance)
            except BenchError as error:
                trouble = error
                continue
            if self.witness.mode == 'policy':
                return
        raise BenchError(str(trouble))

    def await_motion(self, chance: random.Random) -> None:
        """Wait a random while, and until the arm moves; raises BenchError."""
        self._await(lambda: self.arm.speed > MOVING, 8.0)
        time.sleep(chance.uniform(0.1, 1.5))
        self._await(lambda: self.arm.speed > MOVING, 4.0)

    def rearm(self, timeout_s: float = 25.0) -> list[str]:
        """Arm, as the answers say, until the policy plans; returns the calls that were needed.

        Raises BenchError.
        """
        deadline, text, calls = time.monotonic() + timeout_s, '', []
        said = self.witness.statuses
        said.pop('executor/chunk', None)
        while said.get('executor/chunk') != 'accepted' or self.witness.mode != 'policy':
            if time.monotonic() > deadline:
                raise BenchError(f'not armed: {text}; {self.witness.mode}; {said}')
            if self.witness.mode not in ('policy', 'recovering'):
                text = self._ask_for_arm(calls)
            time.sleep(0.05)
        return calls

    def _ask_for_arm(self, calls: list[str]) -> str:
        try:
            answer = self.witness.arm()
            if answer.success:
                # More than once only where the policy fell silent again.
                calls += [] if calls[-1:] == ['arm'] else ['arm']
            elif topics.RECOVER_SERVICE in answer.message:
                done, text = self.witness.trigger(topics.RECOVER_SERVICE)
                calls += ['recover'] if done else []
                return text
            return answer.message
        except AssertionError as error:
            return str(error)

    def recover(self, step: str) -> None:
        """What an operator does before the arm can be armed; raises AssertionError if it fails.

        'restart NAME': the process; a number: wait so many seconds.
        """
        verb, _, name = step.partition(' ')
        if verb == 'restart':
            self.restart(name)
        else:
            time.sleep(float(verb.removesuffix('s')))

    def restart(self, name: str) -> None:
        """Wait until a process that was killed is ready again; start it where nobody else does."""
        process = self._made[name]
        if not process.restarted:
            again = Graph([process], self.out / 'again', self.domain)
            again.start()
            self._again.append(again)
        if name == 'executor':
            told = self._modes_told
            self.witness.wait_for(
                lambda: len(self.witness.modes) > told, START_S, 'the executor is back'
            )
        else:
            self._await_ready(name)

    def close(self) -> None:
        """SIGINT to all, as at the end of every graph; notes when all had ended, and how."""
        for graph in (self._graph, *self._again):
            graph.stop()
        self.ended_s = time.monotonic()
        self.codes = {
            name: process.returncode
            for graph in (self._graph, *self._again)
            for name, process in graph.processes.items()
            if process.returncode
        }
        self._stack.close()

    def _wait_until_ready(self, processes: Sequence[Process]) -> None:
        self.witness.wait_for(lambda: self.witness.mode, START_S, 'the executor is active')
        for process in processes:
            if process.name in READY:
                self._await_ready(process.name)
        if 'policy' in self._made:
            self.witness.wait_for(
                lambda: self.witness.statuses.get('observation') == 'all streams arrive',
                START_S,
                'the policy sees',
            )
        self.witness.meet(
            {
                **{topics.sim_event(name): Trigger for name in topics.SIM_EVENTS},
                **{f'/{name}/set_parameters': SetParameters for name in ('sim', *self.cameras)},
                topics.ARM_SERVICE: SetBool,
                topics.RESET_SERVICE: Trigger,
                topics.HOLD_SERVICE: Trigger,
                topics.RECOVER_SERVICE: Trigger,
            }
        )

    def _await_ready(self, name: str) -> None:
        status, text = READY[name]
        self.witness.wait_for(
            lambda: text in self.witness.statuses.get(status, '-'), START_S, f'{name} is ready'
        )

    def _retry(self, ask, what: str) -> None:
        for _ in range(3):
            answer = ask()
            if answer.success:
                return
            time.sleep(0.5)
        raise BenchError(f'{what}: {answer.message}')

    def _await(self, condition, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise BenchError('the arm does not move')
            time.sleep(0.002)


def _robot_of(processes: Sequence[Process]) -> Path:
    return next(p.parameters['robot'] for p in processes if p.executable == 'executor')
