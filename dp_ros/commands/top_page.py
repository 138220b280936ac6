"""The page of `dp-ros top`: from what the nodes say of themselves to what a person sees."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dp_ros.core.mode import ADVICE, COMMANDED, Mode
from dp_ros.core.status_board import Level, Spread, Status, StatusBoard

COLOURS = {Level.OK: 'green', Level.WARN: 'yellow', Level.ERROR: 'bold red', Level.STALE: 'dim'}
NOTHING = '-'


def page(board: StatusBoard, now_s: float) -> RenderableType:
    """All that a person must see when the arm stopped; now_s: on the clock of the board."""
    if not board.statuses:
        return Text('nobody speaks on /diagnostics: is ROS_DOMAIN_ID that of the graph?', 'yellow')
    return Group(_mode(board, now_s), _nodes(board, now_s), _motion(board), _streams(board, now_s))


def _mode(board: StatusBoard, now_s: float) -> RenderableType:
    status = board.statuses.get('executor')
    if status is None:
        return Panel(Text('no executor speaks', 'bold red'), title='arm', title_align='left')
    name = status.values.get('mode', 'not active')
    stale = status.is_stale(now_s)
    colour = _colour(status, now_s)
    said = Text.assemble((f' {name.upper()} ', f'reverse {colour}'), '  ', (status.text, colour))
    if board.mode_since_s is not None:
        said.append(f'  for {now_s - board.mode_since_s:.0f} s', 'dim')
    lines = [said]
    if stale:
        lines.append(Text(f'the executor says nothing since {status.age_s(now_s):.1f} s', 'red'))
    controller = status.values.get('controller', NOTHING)
    driver, address = (status.values.get(key, NOTHING) for key in ('driver', 'address'))
    link = Text.assemble('controller: ', (controller, '' if controller == 'running' else 'yellow'))
    lines.append(link.append(f'   {driver} at {address}'))
    if name in {mode.value for mode in Mode}:
        lines.append(Text(f'next: {ADVICE[Mode(name)]}', 'bold'))
    hold = _values(board, 'manager').get('last_hold')
    if hold and name not in {mode.value for mode in COMMANDED}:
        lines.append(Text(f'the manager had the arm held last: {hold}', 'dim'))
    return Panel(Group(*lines), title='arm', title_align='left', border_style=colour)


def _nodes(board: StatusBoard, now_s: float) -> Table:
    lifecycle = _values(board, 'manager')
    made = _table('node', 'state', 'restarts', 'says', 'age')
    # Events tell of one moment; the node's own row is always there.
    rows = {n: s for n, s in board.statuses.items() if '/' not in n or n.startswith('camera/')}
    for name, status in sorted(rows.items()):
        node = name.removeprefix('camera/')
        restarts = lifecycle.get(f'{node}_restarts', NOTHING)
        age = status.age_s(now_s)
        said = f'STALE: {status.text}' if status.is_stale(now_s) else status.text
        _row(
            made,
            name,
            lifecycle.get(node, NOTHING),
            Text(restarts, 'yellow' if restarts not in ('0', NOTHING) else ''),
            Text(said, _colour(status, now_s)),
            Text(f'{age:.1f} s', 'red' if status.is_stale(now_s) else ''),
        )
    return made


def _motion(board: StatusBoard) -> Table:
    executor, recorder = _values(board, 'executor'), _values(board, 'recorder')
    made = _table('what', 'how')
    if 'rate_hz' in executor:
        _row(made, 'control', _control(executor))
    refused = {n: c for n, c in _counts(executor, 'chunks_').items() if n != 'accepted'}
    accepted = executor.get('chunks_accepted', '0')
    verdicts = Text.assemble(f'accepted {accepted}  ', _counted(refused))
    _row(made, 'chunks', verdicts.append(f'   idle {_share(executor)}'))
    _row(made, 'chunk latency', _latency(board))
    limits = _counts(executor, 'limited_')
    _row(made, 'limits', _counted(limits) if limits else 'none touched')
    _row(made, 'stops', _stops(executor))
    last = _values(board, 'observation').get('last_refusal')
    if last:
        _row(made, 'last window refused', Text(last, 'yellow'))
    if 'disk_left_gb' in recorder:
        said = f'{board.statuses["recorder"].text}; {recorder["disk_left_gb"]} GB left'
        lost = recorder.get('lost', '0')
        _row(
            made, 'recorder', Text.assemble(said, (f'; {lost} lost', 'red') if lost != '0' else '')
        )
    factor = _values(board, 'sim').get('real_time_factor')
    if factor:
        _row(made, 'cell', f'{factor} of real time')
    return made


def _control(executor: Mapping[str, str]) -> Text:
    overruns = executor.get('overruns', '0')
    said = Text(f'{_number(executor, "rate_hz")} Hz   ')
    said.append(f'period p99 {_number(executor, "period_ms_p99")} ms')
    said.append(f', max {_number(executor, "period_ms_max")} ms   ')
    return said.append(f'overruns {overruns}', 'yellow' if overruns != '0' else '')


def _stops(executor: Mapping[str, str]) -> Text:
    names = ('protective_stops', 'link_losses', 'reconnects')
    known = {name.replace('_', ' '): executor[name] for name in names if name in executor}
    said = Text('  ').join(
        Text(f'{name} {count}', 'red' if count != '0' else '') for name, count in known.items()
    )
    by = executor.get('link_lost_by')
    return said.append(f'  ({by})', 'red') if by else said


def _latency(board: StatusBoard) -> str:
    whole = board.latency('window', 'inference', 'transport')
    if whole is None:
        return 'no chunk since this page began'
    parts = [
        f'{stage} {spread.p50_ms:.0f}'
        for stage in ('window', 'inference', 'transport')
        if (spread := board.latency(stage)) is not None
    ]
    return f'{_spread(whole)} of {whole.count}; p50 by stage: {", ".join(parts)} ms'


def _spread(spread: Spread) -> str:
    return f'p50 {spread.p50_ms:.0f} ms, p99 {spread.p99_ms:.0f} ms'


def _streams(board: StatusBoard, now_s: float) -> Table:
    """Each stream as its camera captures it, and as the policy sees it."""
    seen = _values(board, 'observation')
    names = [key.removesuffix('_age_ms') for key in seen if key.endswith('_age_ms')]
    cameras = [n.removeprefix('camera/') for n in board.statuses if n.startswith('camera/')]
    made = _table(
        'stream', 'captured', 'lost there', 'seen', 'age', 'lost here', 'refused windows'
    )
    late = {name for name in ('observation',) if _is_stale(board, name, now_s)}
    for name in sorted({*names, *cameras}):
        source = _values(board, f'camera/{name}')
        lost_there = {
            k: v for k, v in source.items() if k in ('dropped', 'repeated', 'reconnects')
        }
        known = (f'{name}_age_ms', f'{name}_rate_hz')
        lost_here = {
            k.removeprefix(f'{name}_'): v
            for k, v in seen.items()
            if k.startswith(f'{name}_') and k not in known
        }
        _row(
            made,
            name,
            _hertz(source, 'rate_hz'),
            _counted(lost_there),
            _hertz(seen, f'{name}_rate_hz'),
            Text(f'{seen.get(f"{name}_age_ms", NOTHING)} ms', 'dim' if late else ''),
            _counted(lost_here),
            _counted(_counts(seen, f'refused_{name}_')),
        )
    return made


def _is_stale(board: StatusBoard, name: str, now_s: float) -> bool:
    status = board.statuses.get(name)
    return status is None or status.is_stale(now_s)


def _colour(status: Status, now_s: float) -> str:
    return COLOURS[Level.STALE if status.is_stale(now_s) else status.level]


def _values(board: StatusBoard, name: str) -> Mapping[str, str]:
    status = board.statuses.get(name)
    return {} if status is None else status.values


def _counts(values: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Of the keys that begin with `prefix`, those that are not 0."""
    return {
        key.removeprefix(prefix): value
        for key, value in values.items()
        if key.startswith(prefix) and value not in ('', '0')
    }


def _counted(counts: Mapping[str, str]) -> Text:
    return Text('  ').join(
        Text(f'{name.replace("_", " ")} {count}', 'yellow')
        for name, count in counts.items()
        if count != '0'
    )


def _number(values: Mapping[str, str], key: str) -> str:
    return f'{float(values[key]):.1f}' if key in values else NOTHING


def _hertz(values: Mapping[str, str], key: str) -> str:
    return f'{_number(values, key)} Hz' if key in values else NOTHING


def _share(executor: Mapping[str, str]) -> str:
    ticks, idle = (float(executor.get(key, 0)) for key in ('policy_ticks', 'idle_ticks'))
    return f'{idle / ticks:.1%}' if ticks else NOTHING


def _row(table: Table, *cells: str | Text) -> None:
    # What nodes say is no markup.
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def _table(*columns: str) -> Table:
    made = Table(box=None, pad_edge=False, header_style='bold', padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, overflow='fold')
    return made
