"""dp-ros bag: what an episode holds, and what can be saved of one."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from dp_ros.data import bag_repair
from dp_ros.data.bag import is_whole, open_bag


def repair(folder: Path, console: Console) -> None:
    """Complete a bag whose recorder was killed, or save what can be read; raises BagError."""
    if is_whole(folder):
        console.print(f'{folder} was closed properly and can be read; nothing to repair')
        return
    done = bag_repair.repair(folder)
    lost = f'; not saved: {done.trouble}' if done.trouble else ''
    console.print(
        f'{done.messages} messages saved{lost}. The old file is in {folder / bag_repair.DAMAGED}'
    )


def info(folder: Path, console: Console) -> None:
    """Topics, counts and rates of a bag; raises BagError."""
    with open_bag(folder) as bag:
        made = Table(title=f'{folder}: {bag.seconds:.1f} s')
        for heading in ('topic', 'type', 'messages', 'rate'):
            made.add_column(heading, justify='left' if heading in ('topic', 'type') else 'right')
        for topic, kind in sorted(bag.topics.items()):
            count = bag.counts[topic]
            rate = f'{count / bag.seconds:.1f} Hz' if bag.seconds else ''
            made.add_row(topic, kind, str(count), rate)
    console.print(made)
