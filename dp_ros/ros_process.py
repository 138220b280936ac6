"""One process of a graph: what it runs, its part in the graph, and what it finds around it."""

import enum
import json
import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dp_ros.paths import share

# Names the process without which a process of a graph must not go on.
OWNER = 'DP_ROS_OWNER'


class Role(enum.Enum):
    """What a process is to its graph."""

    CONDUCTOR = 'conductor'
    MANAGER = 'manager'
    ARM = 'arm'
    POLICY = 'policy'
    HAND = 'hand'
    CAMERA = 'camera'
    CELL = 'cell'
    RECORDER = 'recorder'


ROLES = {
    'camera': Role.CAMERA,
    'executor': Role.ARM,
    'manager': Role.MANAGER,
    'policy': Role.POLICY,
    'recorder': Role.RECORDER,
    'sim': Role.CELL,
    'teleop': Role.HAND,
}
# Names another file than config/fastdds.xml, for a network of several machines.
PROFILES = 'DP_ROS_DDS_PROFILES'
# Nodes of a process, where there is more than one.
COMPOSED = {'policy': ('observation', 'inference')}
# A world that ends takes its state with it, and a conductor its work: neither begins again.
RESTARTED = (Role.MANAGER, Role.ARM, Role.POLICY, Role.HAND, Role.CAMERA, Role.RECORDER)


@dataclass(frozen=True)
class Process:
    """One process of a graph: an executable of this package and its ROS parameters.

    leads: the graph is over when this process ends. node: its node's name, where several processes
    share an executable. restarts: whether it is started again when it ends before its time; None:
    as its role says.
    """

    executable: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    leads: bool = False
    node: str = ''
    restarts: bool | None = None

    @property
    def name(self) -> str:
        """What distinguishes it in its graph."""
        return self.node or self.executable

    @property
    def role(self) -> Role:
        """Its part in the graph."""
        return ROLES.get(self.executable, Role.CONDUCTOR)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of its nodes."""
        return COMPOSED.get(self.executable, (self.name,))

    @property
    def restarted(self) -> bool:
        """Whether it is started again when it ends before its time."""
        if self.restarts is not None:
            return self.restarts
        return self.role in RESTARTED and not self.leads

    def command(self) -> list[str]:
        """The command line that starts it with this interpreter."""
        # Where ROS is not secured (docs/security.md), an enclave is but a name.
        arguments = ['--ros-args', '--enclave', enclave(self.name)]
        if self.node:
            arguments += ['-r', f'__node:={self.node}']
        for name, value in self.parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if isinstance(value, str) and not _plain(text):
                text = json.dumps(text, ensure_ascii=False)
            arguments += ['-p', f'{name}:={text}']
        return [sys.executable, '-m', f'dp_ros.nodes.{self.executable}', *arguments]


def enclave(process: str) -> str:
    """What a process has its keys for, in a network that is secured."""
    return f'/dp_ros/{process}'


def _plain(text: str) -> bool:
    """Whether ROS, which reads parameters as YAML, takes `text` for itself, not for a number."""
    try:
        return bool(yaml.safe_load(text) == text)
    except yaml.YAMLError:
        return False


def environment() -> dict[str, str]:
    """What every process of a graph needs to find in its environment."""
    # Fast DDS 3 (Kilted, and the PyPI wheels) renamed the variable.
    older = os.environ.get('ROS_DISTRO') in ('humble', 'iron', 'jazzy')
    profiles = 'FASTRTPS_DEFAULT_PROFILES_FILE' if older else 'FASTDDS_DEFAULT_PROFILES_FILE'
    # With Fast DDS that file keeps all to loopback; what ROS would add for LOCALHOST does not.
    fastdds = os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp').startswith('rmw_fastrtps')
    variables = {
        profiles: os.environ.get(PROFILES) or str(share('config', 'fastdds.xml')),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SYSTEM_DEFAULT' if fastdds else 'LOCALHOST',
        # One thread for each numerical library: the graph has more processes than cores.
        'OMP_NUM_THREADS': '1',
        'OPENBLAS_NUM_THREADS': '1',
        'LP_NUM_THREADS': '0',
        'MUJOCO_GL': os.environ.get('MUJOCO_GL', 'osmesa'),
        'PYTHONUNBUFFERED': '1',
    }
    if 'ROS_DISTRO' not in os.environ:
        # The PyPI wheels keep the ament index in the venv itself.
        variables['AMENT_PREFIX_PATH'] = os.environ.get('AMENT_PREFIX_PATH', sys.prefix)
    return variables


def security(keystore: Path) -> dict[str, str]:
    """What processes find in their environment where ROS is secured (docs/security.md).

    Raises ValueError where `keystore` is none of `ros2 security create_keystore`.
    """
    governance = keystore / 'enclaves' / 'governance.p7s'
    if not governance.is_file():
        raise ValueError(
            f'{keystore} is no keystore: {governance} is missing. docs/security.md says how to '
            f'make one (ros2 security create_keystore)'
        )
    return {
        'ROS_SECURITY_ENABLE': 'true',
        # Without its keys a node does not start; it never speaks in the clear.
        'ROS_SECURITY_STRATEGY': 'Enforce',
        'ROS_SECURITY_KEYSTORE': str(keystore.resolve()),
    }


def shared_domain() -> int:
    """The ROS domain of what runs already: the user's own if set, else ROS's default."""
    return int(os.environ.get('ROS_DOMAIN_ID', 0))


def free_domain() -> int:
    """The ROS domain to use: the user's own if set, else a random one: graphs must not mix."""
    # 101 domains are free of port conflicts on every system (ROS 2, "The ROS_DOMAIN_ID").
    return int(os.environ.get('ROS_DOMAIN_ID', random.SystemRandom().randint(1, 101)))
