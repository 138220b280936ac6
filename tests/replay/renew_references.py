"""Makes the golden references anew: `python -m tests.replay.renew_references [NAME ...]`.

Each bag is replayed with what its reference declares (processing time, injection, seed); the
bags stay as they are. For a change that is meant to alter what the executor or the policy does:
look at the differences that it prints before you keep them.
"""

import sys
from pathlib import Path

from dp_ros.data import episode
from dp_ros.paths import share
from dp_ros.replay import guards, reference, replay

GOLDEN = Path(__file__).parent / 'golden'


def renew(folder: Path) -> list[str]:
    """Write the reference of one golden bag; returns what is different, a line each."""
    file = folder / 'reference.json'
    kept = reference.read(file)
    task, _ = episode.settings(folder / 'bag')
    done = replay.run(folder / 'bag', share('models', task.name), reference.declared(kept))
    guards.require_substance(done, allow_refusals=False)
    found = reference.differences(kept, done, tolerance=5e-4)
    reference.write(done, file)
    return [f'{d.chunk} {d.field}: {d.expected} -> {d.found} {d.by}'.strip() for d in found]


def main() -> None:
    """Renew the references named on the command line, or all of them."""
    for name in sys.argv[1:] or sorted(path.parent.name for path in GOLDEN.glob('*/bag')):
        print(f'{name}:', *renew(GOLDEN / name), sep='\n  ', flush=True)


if __name__ == '__main__':
    main()
