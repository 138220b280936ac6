"""What nodes use of the graph, and an SROS2 policy that grants each of them just that.

An enclave is what a process has keys for; it is named after the process. The format is that of
`ros2 security create_permission` (sros2, policy version 0.2.0).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from rclpy.node import Node

from dp_ros.ros_process import Process, enclave

# A program that a person started and that is no process of a graph, as `dp-ros top`.
CONSOLE = '/'
# Anybody may listen, nobody but these may speak: what every node of ROS has.
COMMENT = """ Written by scripts/security_policy.py: what the nodes use is what they are granted.
     An enclave for each process of bringup.py; '/' is for programs that a person starts. Cameras
     have the names that the robot file gives them: copy an enclave for each of yours. """


@dataclass(frozen=True, order=True)
class Endpoint:
    """One use: kind 'topics' or 'services', right as in the policy, and the full name."""

    kind: str
    right: str
    name: str


class Watcher(Node):
    """A node that sees what the others have."""

    def __init__(self) -> None:
        super().__init__('security_watcher')

    def endpoints(self, nodes: Collection[str]) -> dict[str, frozenset[Endpoint]]:
        """By node, for those of `nodes` that are there."""
        ask = {
            ('topics', 'publish'): self.get_publisher_names_and_types_by_node,
            ('topics', 'subscribe'): self.get_subscriber_names_and_types_by_node,
            ('services', 'reply'): self.get_service_names_and_types_by_node,
            ('services', 'request'): self.get_client_names_and_types_by_node,
        }
        found: dict[str, frozenset[Endpoint]] = {}
        for node, space in self.get_node_names_and_namespaces():
            if node in nodes:
                try:
                    found[node] = frozenset(
                        Endpoint(kind, right, name)
                        for (kind, right), names in ask.items()
                        for name, _ in names(node, space)
                    )
                except RuntimeError:
                    continue  # it ended meanwhile
        return found


Enclaves = Mapping[str, Mapping[str, Iterable[Endpoint]]]


def by_enclave(
    found: Mapping[str, Iterable[Endpoint]], graph: Iterable[Process]
) -> dict[str, dict[str, Iterable[Endpoint]]]:
    """Endpoints by the enclave of each node's process, and then by node."""
    owners = {node: enclave(process.name) for process in graph for node in process.nodes}
    made: dict[str, dict[str, Iterable[Endpoint]]] = {}
    for node in sorted(found):
        made.setdefault(owners.get(node, CONSOLE), {})[node] = found[node]
    return dict(sorted(made.items()))


def policy(enclaves: Enclaves) -> str:
    """The policy file."""
    root = ElementTree.Element('policy', version='0.2.0')
    listed = ElementTree.SubElement(root, 'enclaves')
    for path, nodes in enclaves.items():
        profiles = ElementTree.SubElement(
            ElementTree.SubElement(listed, 'enclave', path=path), 'profiles'
        )
        for node, used in nodes.items():
            profile = ElementTree.SubElement(profiles, 'profile', ns='/', node=node)
            for kind, right in sorted({(e.kind, e.right) for e in used}):
                granted = ElementTree.SubElement(profile, kind, {right: 'ALLOW'})
                for name in sorted(e.name for e in used if (e.kind, e.right) == (kind, right)):
                    ElementTree.SubElement(granted, kind[:-1]).text = _own(name, node)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding='unicode')
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!--{COMMENT}-->\n{body}\n'


def granted(text: str) -> dict[str, dict[str, frozenset[Endpoint]]]:
    """What a policy file grants, by enclave and node; the inverse of `policy`."""
    return {
        enclave.attrib['path']: {
            profile.attrib['node']: frozenset(
                Endpoint(listed.tag, right, _full(one.text or '', profile.attrib['node']))
                for listed in profile
                for right in listed.attrib
                for one in listed
            )
            for profile in enclave.iter('profile')
        }
        for enclave in ElementTree.fromstring(text).iter('enclave')
    }


def differences(filed: str, used: str) -> list[str]:
    """A line for each grant of the file that is not used, and each use that is not granted."""
    rows = []
    for sign, a, b in (('not used', filed, used), ('not granted', used, filed)):
        known = granted(b)
        for path, nodes in granted(a).items():
            for node, endpoints in nodes.items():
                missing = endpoints - known.get(path, {}).get(node, frozenset())
                rows += [f'{sign}: {path} {node}: {e.right} {e.name}' for e in sorted(missing)]
    return rows


def _own(name: str, node: str) -> str:
    prefix = f'/{node}/'
    return f'~/{name.removeprefix(prefix)}' if name.startswith(prefix) else name


def _full(name: str, node: str) -> str:
    return f'/{node}/{name.removeprefix("~/")}' if name.startswith('~/') else name
