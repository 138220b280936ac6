"""Nothing of a running graph can be reached from another machine, or sends there."""

import ipaddress
import os
import socket
import struct
import time
from pathlib import Path

import pytest

from dp_ros import bringup
from tests.loopback import free_address
from tests.system.observer import graph_of

pytestmark = pytest.mark.timeout(120)
KINDS = ('tcp', 'tcp6', 'udp', 'udp6')


def addresses(pid):
    """(kind, local address) of every internet socket of a process: proc(5)."""
    links = []
    for descriptor in Path(f'/proc/{pid}/fd').iterdir():
        try:
            links.append(os.readlink(descriptor))
        except FileNotFoundError:
            continue  # closed meanwhile
    for kind in KINDS:
        for line in Path(f'/proc/net/{kind}').read_text().splitlines()[1:]:
            fields = line.split()
            if f'socket:[{fields[9]}]' in links:
                yield kind, address_of(fields[1].partition(':')[0])


def address_of(text):
    """The kernel writes an address as hexadecimal words in the order of its own bytes."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    return ipaddress.ip_address(struct.pack(f'={len(words)}I', *words))


def test_the_reader_of_sockets_sees_what_is_open():
    with socket.create_server(('127.0.0.9', 0)), socket.create_server(('0.0.0.0', 0)):
        found = {str(address) for kind, address in addresses(os.getpid()) if kind == 'tcp'}
    assert {'127.0.0.9', '0.0.0.0'} <= found


def test_every_socket_is_bound_to_loopback(domain, tmp_path):
    cell = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    with graph_of(cell[:2], domain, tmp_path) as (graph, observer):
        observer.wait_for(lambda: observer.mode == 'idle', 60, 'the executor is active')
        time.sleep(0.5)
        for name in ('sim', 'executor'):
            found = set(addresses(graph.processes[name].pid))
            assert found, name
            assert all(address.is_loopback for _, address in found), (name, found)
        assert 'tcp' in {kind for kind, _ in addresses(graph.processes['sim'].pid)}
