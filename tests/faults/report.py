"""docs/faults.md: one line for each fault, from what was measured."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.faults.exits import GOAL_S, Exit
from tests.faults.harness import Outcome
from tests.faults.row import HOLD, Row

HEAD = """# The fault matrix

Made by `make faults`; do not edit. Each fault falls at a random moment of a rollout in the
simulated cell, in which the policy moves the arm: seed {seed}, {repeats} times each, what is
ridden through once. The same seed gives the same episodes, and the same moments up to the timing
of the machine. Machine: {machine}; other programs ran on it, too.

- **commands**: from the fault to the last command that moves the arm; **arm**: to the last moment
  at which the tool centre point, as the controller itself reports it to an RTDE client of the
  test, is faster than 10 mm/s, in the controller's own time. The arm lags behind its commands
  (look-ahead 0.1 s, and the simulated servo). Median / worst, in seconds; the one that counts
  against the goal is bold.
- **goal**: 0.3 s to hold; 0.5 s where the controller's watchdog alone must do it. `miss` marks
  a worst case above the goal, `FAILED` a row that did not do what is expected of it.
- In every run all commands were checked, by differences and against the robot file, for
  workspace, table, speed, acceleration, jerk, and angular speed, acceleration and jerk; and the
  controller's joints for their speed: {limits}.
- Where a hold is expected, nothing may move before the arm is armed again, also when the cause is
  gone. **then**: what was needed until the arm moved again.

{summary}
"""


@dataclass
class Measured:
    """One run of the matrix."""

    seed: int
    rows: list[Outcome] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)

    @property
    def repeats(self) -> int:
        """How often what holds was done."""
        return 1 + max((o.repeat for o in self.rows), default=0)

    def last(self, row: Row) -> list[Outcome]:
        """The outcomes of a row: the last try of each repeat."""
        return list({o.repeat: o for o in self.rows if o.row == row.name}.values())

    def again(self) -> int:
        """How many tries were made once more, since the first one failed."""
        return len(self.rows) - len({(o.row, o.repeat) for o in self.rows})


def markdown(rows: Sequence[Row], measured: Measured) -> str:
    """The whole page."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    broken = sum('limit:' in text for o in measured.rows for text in o.failures)
    text = HEAD.format(
        seed=measured.seed,
        repeats=measured.repeats,
        machine=machine(),
        limits=f'{broken} broken' if broken else 'none was ever broken',
        summary=_summary(rows, measured),
    )
    for name, members in groups.items():
        lines = [_line(row, measured.last(row)) for row in members]
        text += f'\n## {name.capitalize()}\n\n' + _table(
            ('fault', 'expected', 'commands', 'arm', 'goal', '/diagnostics says', 'then', ''),
            lines,
        )
    return (
        text + '\n## SIGINT at every phase\n\n' + _exits(measured.exits) + _notes(rows, measured)
    )


def _summary(rows: Sequence[Row], measured: Measured) -> str:
    failed = [row for row in rows if any(o.failures for o in measured.last(row))]
    missed = [row for row in rows if _missed(row, measured.last(row))]
    return (
        f'{len(rows)} faults, {len(measured.rows)} runs ({measured.again()} of them a second try '
        f'after a failed one); {len(rows) - len(failed)} as expected, {len(missed)} held later '
        f'than the goal.'
    )


def _line(row: Row, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    commands = _pair(o.command_s for o in outcomes)
    arm = _pair(o.arm_s for o in outcomes)
    held = row.expects == HOLD
    if held:
        commands, arm = (commands, f'**{arm}**') if row.by_arm else (f'**{commands}**', arm)
    said = next((o.said for o in outcomes if o.said), '')
    steps = max((o.recovery for o in outcomes), key=len, default=[])
    failed = 'FAILED' if any(o.failures for o in outcomes) else ''
    return (
        row.name,
        f'{row.expects}: {row.because}',
        commands if held else '',
        arm if held and not row.blind else '',
        f'{row.goal_s:g}{" miss" if _missed(row, outcomes) else ""}' if held else '',
        _short(said),
        ', '.join(steps) or ('' if held else 'nothing'),
        failed,
    )


def _exits(exits: Sequence[Exit]) -> str:
    phases: dict[str, list[Exit]] = {}
    for outcome in exits:
        phases.setdefault(outcome.phase, []).append(outcome)
    lines = [
        (
            phase,
            _pair(o.took_s for o in outcomes),
            _pair(o.arm_s for o in outcomes) if phase != 'starting' else '',
            'FAILED' if any(o.failures for o in outcomes) else '',
        )
        for phase, outcomes in phases.items()
    ]
    text = (
        f'The whole graph must end within {GOAL_S:g} s, each process by itself and with code 0 '
        f'(while it starts: without SIGKILL).'
    )
    return text + '\n\n' + _table(('phase', 'graph ended after', 'arm stood after', ''), lines)


def _notes(rows: Sequence[Row], measured: Measured) -> str:
    """What failed, in the words of the test."""
    lines = [
        f'- {row.name}: {_short(text, 300)}'
        for row in rows
        for outcome in measured.last(row)
        for text in outcome.failures
    ]
    lines += [f'- SIGINT, {e.phase}: {_short(t, 300)}' for e in measured.exits for t in e.failures]
    return '\n## What failed\n\n' + ('\n'.join(dict.fromkeys(lines)) or 'Nothing.') + '\n'


def _missed(row: Row, outcomes: Sequence[Outcome]) -> bool:
    held = [o.hold_s(row) for o in outcomes]
    return row.expects == HOLD and any(h is None or h > row.goal_s for h in held)


def _pair(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f'{np.median(known):.2f} / {max(known):.2f}' if known else 'never'


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    made = [head, ['---'] * len(head), *lines]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in made) + '\n'


def _short(text: str, most: int = 110) -> str:
    """On one line, without what differs from run to run: folders and addresses."""
    text = re.sub(r'127\.\d+\.\d+\.\d+', 'the controller', ' '.join(text.split()))
    text = re.sub(r'/\S*/(?=\S)', '', text).replace('|', '/')
    return text if len(text) <= most else text[: most - 3] + '...'


def machine() -> str:
    """Of this kind: processor, cores, system."""
    info = Path('/proc/cpuinfo')
    found = re.search(r'model name\s*:\s*(.+)', info.read_text()) if info.exists() else None
    name = found[1] if found else platform.machine()
    return f'{name}, {os.cpu_count()} cores, Python {platform.python_version()}'
