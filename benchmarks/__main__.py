"""All benchmarks, one after the other: `python -m benchmarks [--quick]` (`make bench`).

What is not known here goes to each of them. One that fails does not stop the others.
"""

import argparse
import json
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from benchmarks.report import RESULTS, ROOT

ALL = ('chunk', 'end_to_end', 'executor', 'cameras', 'recorder', 'training', 'scaling')


def main() -> int:
    """Run them, and print what they found in one table."""
    options = argparse.ArgumentParser(prog='python -m benchmarks', description=__doc__)
    options.add_argument('--quick', action='store_true', help='a few minutes')
    options.add_argument('--only', nargs='+', default=ALL, metavar='NAME', help=', '.join(ALL))
    given = options.parse_args()
    unknown = set(given.only) - set(ALL)
    if unknown:
        options.error(f'no benchmark {", ".join(sorted(unknown))}; there are {", ".join(ALL)}')
    table, failed = Table(title='Benchmarks'), []
    for heading in ('benchmark', 'what', 'ours', 'reference'):
        table.add_column(heading)
    for name in given.only:
        begun = time.monotonic()
        print(f'--- {name}', flush=True)
        command = [sys.executable, '-m', f'benchmarks.{name}', *(['--quick'] * given.quick)]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
            continue
        print(f'--- {name}: {time.monotonic() - begun:.0f} s', flush=True)
        found = json.loads((RESULTS / f'{name}.json').read_text())
        for row in found.get('headlines', []):
            table.add_row(name, row['what'], row['ours'], row['reference'])
        table.add_section()
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    if failed:
        print(f'failed: {", ".join(failed)}', file=sys.stderr)
    return len(failed)


if __name__ == '__main__':
    sys.exit(main())
