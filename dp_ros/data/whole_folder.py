"""Folders are written whole or not at all, as atomic.py does it for files."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, where: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder beside `path`; on success it takes the place of `path`.

    On an exception it is removed and `path` is as it was. where: another place for the new folder
    until then, on the same disk.
    """
    parent = where or path.parent
    for needed in (parent, path.parent):
        needed.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=parent, prefix=f'.{path.name}-'))
    new, aside = scratch / 'new', scratch / 'replaced'
    new.mkdir()
    try:
        yield new
        try:
            if path.exists():
                path.rename(aside)
            new.rename(path)
        except BaseException:
            if aside.exists() and not path.exists():
                aside.rename(path)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
