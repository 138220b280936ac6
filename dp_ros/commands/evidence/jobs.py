"""What every job has: a table, a key that tells its record from others, and work."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dp_ros.commands.evidence.workbench import Workbench

Record = Mapping[str, Any]
"""As JSON: `key`, the `commands` that made it, and figures."""


class Job(Protocol):
    """One record of a table."""

    @property
    def table(self) -> str: ...

    @property
    def key(self) -> dict[str, Any]:
        """What tells its record from others of the table, the checkpoint's origin included."""
        ...

    @property
    def missing(self) -> str | None:
        """Why it cannot be done; None if it can."""
        ...

    @property
    def learns(self) -> bool:
        """Whether the demonstrations are needed."""
        ...

    def run(self, bench: Workbench) -> Record:
        """Do it; raises workbench.CommandError."""
        ...


def name(key: Mapping[str, Any]) -> str:
    """A key as text."""
    return json.dumps(key, sort_keys=True)


def grouped(records: Sequence[Record], *labels: str) -> dict[tuple[Any, ...], list[Record]]:
    """Records by these parts of their keys, in order."""
    found: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        found.setdefault(tuple(record['key'][label] for label in labels), []).append(record)
    return found
