"""What every benchmark leaves: its figures as JSON, and its table in docs/benchmarks.md."""

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from rich.table import Table

from dp_ros import atomic
from dp_ros.commands.markers import put_between

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / 'benchmarks' / 'results'
PAGE = ROOT / 'docs' / 'benchmarks.md'
PACKAGES = ('numpy', 'torch', 'onnxruntime', 'diffusers', 'mcap', 'zarr', 'rclpy')
TICKS_HZ = os.sysconf('SC_CLK_TCK')
BUSY = 0.25  # cores that may be busy where "nothing else ran"


@dataclass(frozen=True)
class Headline:
    """A row of the last table of `make bench`: what, our figure, that of the reference."""

    what: str
    ours: str
    reference: str = ''


@dataclass(frozen=True)
class Result:
    """What a benchmark found.

    name: of its file and of its part of the page; title: one line; reference: what it is compared
    with, by name; headings, rows: the table; figures: the same as numbers, JSON values.
    """

    name: str
    title: str
    reference: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    headlines: Sequence[Headline]
    figures: Any


def options(text: str, seconds: float) -> argparse.ArgumentParser:
    """The options of every benchmark: --seconds (of one measurement), --quick."""
    given = argparse.ArgumentParser(description=text)
    given.add_argument('--seconds', type=float, default=seconds, help='of one measurement')
    given.add_argument('--quick', action='store_true', help='short, and less of it')
    return given


def machine() -> dict[str, Any]:
    """Processor, cores, system and versions; how busy it was just before."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = 'not from PyPI'
    return {
        'processor': _processor(),
        'cores': len(os.sched_getaffinity(0)),
        'system': f'{platform.system()} {platform.release()}',
        'python': platform.python_version(),
        'versions': versions,
        'busy_before': busy_cores(),
    }


def command() -> str:
    """How this program was called."""
    module = f'benchmarks.{Path(sys.argv[0]).stem}'
    return shlex.join(['python', '-m', module, *sys.argv[1:]])


def publish(result: Result, about: dict[str, Any]) -> None:
    """Print the table, write it as JSON and into the page; about: `machine()`, from before."""
    table = Table(title=result.title)
    for number, heading in enumerate(result.headings):
        table.add_column(heading, justify='right' if number else 'left')
    for row in result.rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    content = {
        'name': result.name,
        'title': result.title,
        'command': command(),
        'date': datetime.now(timezone.utc).date().isoformat(),
        'machine': about,
        'reference': result.reference,
        'headlines': [asdict(headline) for headline in result.headlines],
        'figures': result.figures,
    }
    RESULTS.mkdir(exist_ok=True)
    atomic.write_text(
        RESULTS / f'{result.name}.json', json.dumps(content, indent=1, allow_nan=False) + '\n'
    )
    put_between(PAGE, _part(result, content), *markers(result.name))


def markers(name: str) -> tuple[str, str]:
    """The lines of the page between which the part of a benchmark stands."""
    return f'<!-- {name}: begin -->', f'<!-- {name}: end -->'


def spread(values: ArrayLike, digits: int = 3) -> dict[str, float]:
    """p50, p99 and max of some values, which must not be empty."""
    array = np.asarray(values, float)
    p50, p99 = np.percentile(array, [50, 99])
    found = {'p50': p50, 'p99': p99, 'max': array.max()}
    return {name: round(float(value), digits) for name, value in found.items()}


def cpu_s(pid: int | str = 'self') -> float:
    """CPU time of a process so far [s]: proc(5), fields 14 and 15 of stat."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ


def _part(result: Result, content: dict[str, Any]) -> str:
    about = content['machine']
    lines = [list(result.headings), ['---', *['---:'] * (len(result.headings) - 1)], *result.rows]
    table = '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)
    busy = about['busy_before']
    beside = f'other programs kept {busy:.1f} of them busy' if busy > BUSY else 'nothing else ran'
    return (
        f'{result.title}. `{content["command"]}`, {content["date"]}, {about["cores"]} cores of '
        f'{about["processor"]}; {beside}.\n\n{table}\n'
    )


def busy_cores() -> float:
    """How many cores were busy in the last second; unlike the load it knows no minute before."""
    before = _ticks()
    time.sleep(1.0)
    passed = _ticks() - before
    idle = passed[3] + passed[4]  # proc(5): idle, iowait
    return round(float((passed.sum() - idle) / TICKS_HZ), 2)


def _ticks() -> NDArray[np.int64]:
    """Of all cores together, by what they did: the first line of /proc/stat."""
    return np.array(Path('/proc/stat').read_text().splitlines()[0].split()[1:9], np.int64)


def _processor() -> str:
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    names = (line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    return next(names, platform.machine())
