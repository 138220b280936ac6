"""Where config/ and models/ lie: in a checkout, in a ROS workspace's install, or under a venv.

And where what can be made again is kept.
"""

import os
import sys
from pathlib import Path


def share(*parts: str) -> Path:
    """A path below the folder that holds config/ and models/; FileNotFoundError if there is none.

    A checkout comes first, then the prefixes of AMENT_PREFIX_PATH (colcon), then the venv's own.
    """
    prefixes = [Path(p) for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    installed = [p / 'share' / 'dp_ros' for p in [*prefixes, Path(sys.prefix)]]
    for root in [Path(__file__).resolve().parents[1], *installed]:
        if (root / 'config' / 'fastdds.xml').is_file():
            return root.joinpath(*parts)
    raise FileNotFoundError('the config folder of dp_ros was not found; install the package again')


def cache(*parts: str) -> Path:
    """A path below the user's cache of dp_ros (XDG Base Directory Specification)."""
    home = os.environ.get('XDG_CACHE_HOME', '')
    root = Path(home) if Path(home).is_absolute() else Path.home() / '.cache'
    return root.joinpath('dp_ros', *parts)
