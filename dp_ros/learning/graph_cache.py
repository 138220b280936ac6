"""Exported graphs on disk: a policy that was exported once starts at once.

A graph is known by the policy's identity, by the versions of torch and ONNX Runtime, and by the
text of the modules that it comes from: when any of them changes, it is made anew. It is stored
behind its own checksum, so that a damaged file is never used.
"""

import contextlib
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import onnxruntime
import torch

from dp_ros import atomic

# name, how to export -> graph
Keep = Callable[[str, Callable[[], bytes]], bytes]
# Of four policies with two cameras, or of one and what it was before.
GRAPHS_KEPT = 20
_CHECKSUM = hashlib.sha256().digest_size


def anew(_: str, export: Callable[[], bytes]) -> bytes:
    """The graph, exported: nothing is kept of policies without an identity."""
    return export()


class GraphCache:
    """The graphs of the policy `identity` (Checkpoint.identity) in `folder`."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder, self._identity = folder, identity

    def __call__(self, name: str, export: Callable[[], bytes]) -> bytes:
        """The graph called `name`: as it is kept, or else exported, and kept.

        A folder that cannot be written to is no error: the next start takes longer.
        """
        path = self._folder / f'{self._identity}-{_key(name)}.graph'
        kept = _read(path)
        if kept is not None:
            return kept
        graph = export()
        with contextlib.suppress(OSError):
            with atomic.replacing(path) as temporary:
                temporary.write_bytes(hashlib.sha256(graph).digest() + graph)
            self._forget_the_oldest()
        return graph

    def _forget_the_oldest(self) -> None:
        files = sorted(self._folder.glob('*.graph'), key=lambda file: file.stat().st_mtime)
        for file in files[:-GRAPHS_KEPT]:
            file.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    """A graph, if it is there and whole."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    graph = stored[_CHECKSUM:]
    return graph if hashlib.sha256(graph).digest() == stored[:_CHECKSUM] else None


def _key(name: str) -> str:
    versions = f'{torch.__version__} {onnxruntime.__version__} {_code()}'
    return hashlib.sha256(f'{name} {versions}'.encode()).hexdigest()[:16]


@cache
def _code() -> str:
    """Digest of the modules beside this one: all that says what a graph computes."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob('*.py')):
        digest.update(module.read_bytes())
    return digest.hexdigest()
