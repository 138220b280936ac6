"""Pages of which a part is written by a command: what stands between two markers."""

from pathlib import Path

from dp_ros import atomic


def put_between(page: Path, text: str, begin: str, end: str) -> None:
    """Replace what stands between the two markers; ValueError where they are missing."""
    old = page.read_text()
    before, found_begin, rest = old.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f'{page} lacks the lines {begin!r} and {end!r}, between which tables go')
    atomic.write_text(page, f'{before}{begin}\n\n{text}\n{end}{after}')
