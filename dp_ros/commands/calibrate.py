"""dp-ros calibrate servo: how late the arm follows its commands, and the lead that makes up."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dp_ros import bringup
from dp_ros.commands import robot_edit
from dp_ros.commands.demo import free_address
from dp_ros.robot import Robot, load_robot
from dp_ros.ros_process import free_domain, shared_domain
from dp_ros.running import running

START_S = 60.0
# Below this the arm did something else than what it was told.
LOWEST_AGREEMENT = 0.9
# Below this share of real time the figures of a simulated arm are those of a busy machine.
SLOW = 0.97
WARNING = (
    'A lead is for policies whose actions say where the arm shall be. One that was trained on '
    'commands to this same servo, as `dp-ros record` writes them, has learnt the lag along: '
    'leave its lead at 0.'
)


@dataclass(frozen=True)
class Servo:
    """Settings of servoL and servoJ."""

    lookahead_s: float
    gain: float

    @property
    def name(self) -> str:
        """For files and pictures."""
        return f'lookahead {self.lookahead_s * 1e3:.0f} ms, gain {self.gain:.0f}'


@dataclass(frozen=True)
class Measured:
    """What the measuring process found with these settings."""

    servo: Servo
    figures: dict[str, Any]


def servo(
    robot: Path,
    out: Path,
    seconds: float,
    lookaheads_s: Sequence[float],
    gains: Sequence[float],
    attach: bool,
    write: bool,
    console: Console,
) -> None:
    """Measure the lag of the arm of `robot` with its own settings, and with those of the sweep.

    attach: use the executor that runs already. write: put the lead for the file's own settings
    into it. Raises ValueError, GraphError or OSError.
    """
    settings = load_robot(robot)
    arm = settings.arm
    own = Servo(arm.lookahead_s, arm.gain)
    swept = itertools.product(lookaheads_s or [own.lookahead_s], gains or [own.gain])
    chosen = list(dict.fromkeys([own, *(Servo(*pair) for pair in swept)]))
    if attach and len(chosen) > 1:
        raise ValueError(
            'with --attach the executor that runs is measured as it is: leave out --lookahead and '
            '--gain, or let this command start one'
        )
    address = free_address() if settings.simulated and not attach else arm.address
    console.print(
        f'the arm at {address} is about to move its tip by 3 cm around where it stands, for '
        f'{seconds:.0f} s' + (f', {len(chosen)} times' if len(chosen) > 1 else '')
    )
    found = []
    for number, wanted in enumerate(chosen):
        figures = (out / f'servo_{number}.json').resolve()
        figures.unlink(missing_ok=True)
        graph = bringup.calibrate_servo(
            robot.resolve(), settings, figures, seconds, address, attach,
            wanted.lookahead_s, wanted.gain,
        )  # fmt: skip
        domain = shared_domain() if attach else free_domain()
        with running(graph, out / f'logs_{number}', domain) as processes:
            processes.wait(START_S + seconds)
        found.append(Measured(wanted, json.loads(figures.read_text(encoding='utf-8'))))
    console.print(table(found))
    _picture(found, out / 'servo.png', console)
    _conclude(robot, settings, found, write, console)


def table(found: Sequence[Measured]) -> Table:
    """The figures as a table."""
    made = Table(title='How the arm follows its commands')
    for heading in ('lookahead', 'gain', 'lag', 'amplitude', 'residual', 'agreement'):
        made.add_column(heading, justify='right')
    for row in found:
        figures = row.figures
        made.add_row(
            f'{row.servo.lookahead_s * 1e3:.0f} ms',
            f'{row.servo.gain:.0f}',
            f'{figures["lag_s"] * 1e3:.1f} ms',
            f'{figures["amplitude"]:.3f}',
            f'{figures["residual_m"] * 1e3:.2f} mm',
            f'{figures["agreement"]:.3f}',
        )
    return made


def _conclude(
    robot: Path, settings: Robot, found: Sequence[Measured], write: bool, console: Console
) -> None:
    present = found[0].figures
    if present['agreement'] < LOWEST_AGREEMENT:
        raise ValueError(
            f'what the arm did hardly agrees with what it was told (correlation '
            f'{present["agreement"]:.2f}): see that nothing holds it, or measure longer '
            f'(--seconds). Nothing was written.'
        )
    lead_s = round(max(0.0, present['lag_s']), 3)
    console.print(
        f'with the settings of {robot} the arm is {lead_s * 1e3:.0f} ms behind; suggested: '
        f'arm.lead_s: {lead_s:g} (now {settings.arm.lead_s:g})'
    )
    console.print(WARNING)
    if present['real_time_factor'] < SLOW:
        slow = (
            f'the simulated cell ran at {present["real_time_factor"]:.0%} of real time: its arm '
            f'lags by as much more. Measure again while the machine is idle.'
        )
        if write:
            raise ValueError(f'{slow} Nothing was written.')
        console.print(slow)
    if write:
        robot_edit.edit(robot, lambda content: content['arm'].update(lead_s=lead_s))
        console.print(f'written to {robot}')


def _picture(found: Sequence[Measured], path: Path, console: Console) -> None:
    from dp_ros.commands import servo_picture

    servo_picture.draw([(row.servo.name, row.figures) for row in found], path)
    console.print(f'look at {path}')
