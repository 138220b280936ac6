"""Everything that was measured, as lines of JSON; docs/faults.md from the newest of every row.

A run of a part of the matrix (-k) replaces the rows that it runs, and leaves the others as they
were measured last.
"""

import json
import os
from pathlib import Path

from dp_ros import atomic
from tests.faults.exits import Exit
from tests.faults.harness import Outcome
from tests.faults.matrix import PHASES, ROWS
from tests.faults.report import Measured, markdown

REPEATS = int(os.environ.get('FAULTS_REPEATS', '2'))
SEED = int(os.environ.get('FAULTS_SEED', '1000'))


class Ledger:
    """Outcomes and exits of this run, and where they are kept."""

    def __init__(self, root: Path) -> None:
        self._table = root / 'docs' / 'faults.md'
        self._log = root / 'out' / 'faults' / 'rows.jsonl'
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._before = _read(self._log)
        self._now = Measured(SEED)

    def add(self, outcome: Outcome) -> None:
        """Keep it, also if this run ends early; one that is run again counts as such."""
        self._now.rows.append(outcome)
        self._append('row', outcome)

    def end(self, outcome: Exit) -> None:
        """A graph was ended by SIGINT in one of PHASES."""
        self._now.exits.append(outcome)
        self._append('exit', outcome)

    def close(self) -> None:
        """Write the table, if all rows are known."""
        rows = {outcome.row for outcome in self._now.rows}
        phases = {outcome.phase for outcome in self._now.exits}
        known = [row.name for row in ROWS]
        older = [o for o in self._before.rows if o.row not in rows and o.row in known]
        exits = [e for e in self._before.exits if e.phase not in phases]
        whole = Measured(SEED, older + self._now.rows, exits + self._now.exits)
        lines = [json.dumps({'row': o.as_dict()}) for o in whole.rows]
        lines += [json.dumps({'exit': e.as_dict()}) for e in whole.exits]
        atomic.write_text(self._log, ''.join(f'{line}\n' for line in lines))
        complete = {o.row for o in whole.rows}.issuperset(known)
        if complete and {e.phase for e in whole.exits}.issuperset(PHASES):
            atomic.write_text(self._table, markdown(ROWS, whole))

    def _append(self, kind: str, outcome: Outcome | Exit) -> None:
        with self._log.open('a') as file:
            file.write(json.dumps({kind: outcome.as_dict()}) + '\n')


def _read(log: Path) -> Measured:
    found = Measured(SEED)
    for line in log.read_text().splitlines() if log.exists() else ():
        values = json.loads(line)
        if 'row' in values:
            found.rows.append(Outcome(**values['row']))
        else:
            found.exits.append(Exit(**values['exit']))
    return found
