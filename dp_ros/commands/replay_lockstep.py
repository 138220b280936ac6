"""dp-ros replay --lockstep: a bag against a checkpoint, in virtual time."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from dp_ros import atomic
from dp_ros.commands import replay_picture
from dp_ros.replay import guards, reference, replay, report
from dp_ros.replay.comparison import Measure
from dp_ros.replay.guards import ReplayError
from dp_ros.replay.lockstep import EXPLAINED
from dp_ros.replay.reference import Difference
from dp_ros.replay.replay import Declared, Replay

MOST_DIFFERENCES = 25


@dataclass(frozen=True)
class Judgement:
    """What a replay must pass.

    reference: file to compare with, or to write if `update`; tolerance, max_error: [mm] of a
    position, [mrad] of an angle.
    """

    reference: Path | None = None
    update: bool = False
    tolerance: float = 0.1
    max_error: float | None = None
    allow_refusals: bool = False


def run(
    bag: Path,
    checkpoint: Path,
    declared: Declared,
    judgement: Judgement,
    out: Path,
    console: Console,
) -> None:
    """Replay, report and judge; raises ReplayError where the judgement is against it."""
    if judgement.update and judgement.reference is None:
        raise ReplayError('--update-reference needs --reference FILE, the file to write')
    expected = None
    if judgement.reference is not None and not judgement.update:
        expected = reference.read(judgement.reference)
    with Progress(console=console, transient=True) as bar:
        row = bar.add_task('replaying')
        done = replay.run(
            bag,
            checkpoint,
            declared,
            lambda count, total: bar.update(row, completed=count, total=total),
        )
    written = report.text(report.report(done))
    atomic.write_text(out / 'lockstep.json', written)
    console.print(summary(done))
    guards.require_substance(done, judgement.allow_refusals)
    for measure in done.measures:
        console.print(errors(measure, done.task.period_ns))
    replay_picture.draw(out / 'replay.png', done)
    fingerprint = hashlib.sha256(written.encode()).hexdigest()[:16]
    console.print(
        f'{out / "lockstep.json"} (SHA-256 {fingerprint}), {out / "replay.png"}', soft_wrap=True
    )
    if judgement.update and judgement.reference is not None:
        reference.write(done, judgement.reference)
        console.print(f'reference written: {judgement.reference}', soft_wrap=True)
    if expected is not None:
        _require_reference(expected, done, judgement, console)
    _require_error(done, judgement.max_error)


def summary(done: Replay) -> Table:
    """What happened, as a table."""
    outcome, recording = done.outcome, done.recording
    made = Table(
        title=f'{done.bag} against {done.checkpoint} ({done.identity})', show_header=False
    )
    made.add_column(style='bold')
    made.add_column()
    for stretch in recording.stretches:
        begin = (stretch.begin_ns - recording.begin_ns) / 1e9
        end = (stretch.end_ns - recording.begin_ns) / 1e9
        made.add_row('commanded', f'{stretch.mode}, {begin:.2f} to {end:.2f} s')
    share = guards.refused_share(done)
    refused = f'; refused for {share:.0%} of the time: {guards.counted(outcome.refusals)}'
    made.add_row('windows', f'{len(outcome.planned)} planned{refused if share else ""}')
    told = [report.told(done, planned) for planned in outcome.planned]
    same = sum(t == p.plan.window for t, p in zip(told, outcome.planned, strict=True))
    known = sum(t is not None for t in told)
    live = f'{same} of {known} equal to the bit' if known else 'the bag tells none'
    made.add_row('live windows', live)
    for verdict, count in sorted(outcome.verdicts.items()):
        made.add_row('chunks', f'{count} {EXPLAINED[verdict]}')
    for text in outcome.refused_arming:
        made.add_row('not armed', Text(text))
    made.add_row('commands', f'{outcome.commands} in {len(outcome.ticks)} control periods')
    if outcome.limited:
        made.add_row('limited', guards.counted(outcome.limited))
    for change in report.modes(done):
        since = f'from {change["from_ns"] / 1e9:.2f} s: {change["reason"]}'
        made.add_row(f'mode {change["mode"]}', Text(since))
    for trouble in outcome.troubles:
        made.add_row('trouble', Text(trouble))
    if outcome.lost:
        made.add_row('dropped on purpose', guards.counted(outcome.lost))
    return made


def errors(measure: Measure, period_ns: int) -> Table:
    """Errors by step of the horizon, as a table."""
    made = Table(title=f'Predicted against recorded actions: {measure.name} in {measure.unit}')
    for heading in ('step', 'due', 'count', 'mean', 'p50', 'p90', 'largest'):
        made.add_column(heading, justify='right')
    rows = [
        (str(step), f'{(step + 1) * period_ns / 1e6:+.0f} ms', found)
        for step, found in zip(measure.steps, measure.by_step(), strict=True)
    ]
    last = measure.action_steps - 1
    rows.append((f'0 to {last}', 'executed', measure.executed()))
    for step, due, found in rows:
        figures = (found.mean, found.p50, found.p90, found.largest)
        shown = [f'{value:.2f}' if found.count else '' for value in figures]
        made.add_row(
            step, due, str(found.count), *shown, end_section=step == str(measure.steps[-1])
        )
    return made


def differing(found: list[Difference]) -> Table:
    """The first differences, as a table."""
    made = Table(title='Not as in the reference')
    for heading in ('chunk', 'field', 'expected', 'found', 'difference'):
        made.add_column(heading, overflow='fold')
    for difference in found[:MOST_DIFFERENCES]:
        made.add_row(*map(Text, vars(difference).values()))
    if len(found) > MOST_DIFFERENCES:
        made.caption = f'and {len(found) - MOST_DIFFERENCES} more'
    return made


def _require_reference(
    expected: dict[str, object], done: Replay, judgement: Judgement, console: Console
) -> None:
    found = reference.differences(expected, done, judgement.tolerance / 1e3)
    if not found:
        console.print(f'as in the reference, within {judgement.tolerance:g} mm or mrad')
        return
    console.print(differing(found))
    raise ReplayError(
        f'{len(found)} fields are not as in {judgement.reference} (tolerance '
        f'{judgement.tolerance:g} mm or mrad). If they are meant to be: --update-reference'
    )


def _require_error(done: Replay, max_error: float | None) -> None:
    if max_error is None:
        return
    executed = done.measures[0].executed() if done.measures else None
    if executed is None or not executed.count:
        raise ReplayError(
            f'{done.bag}: --max-error cannot be judged, since no prediction meets a recorded '
            f'command (/executor/command)'
        )
    if executed.p90 > max_error:
        unit = done.measures[0].unit
        raise ReplayError(
            f'the predictions are {executed.p90:.2f} {unit} off (90th percentile of the first '
            f'{done.task.horizons.action} steps); --max-error allows {max_error:g}'
        )
