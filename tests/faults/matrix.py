"""The whole matrix, in the order in which it is run: rows of one graph stand together."""

from tests.faults import exits, rows_cameras, rows_controller, rows_data, rows_processes
from tests.faults.benches import BENCHES
from tests.faults.row import Row

_ALL = [*rows_processes.ROWS, *rows_controller.ROWS, *rows_data.ROWS, *rows_cameras.ROWS]
ROWS: list[Row] = [row for bench in BENCHES for row in _ALL if row.bench == bench]
SHORT: list[Row] = [row for row in ROWS if row.short]
PHASES: list[str] = ['starting', *exits.PHASES]
