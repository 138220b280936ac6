"""A cable and a switch in front of the simulated controller, which can be cut, muted and poisoned.

As a script it listens on the controller's three ports at `address` and passes all on to `target`.
It obeys lines on stdin: `close` (all connections are reset; new ones are taken), `mute` and
`unmute` (nothing passes, both ways, but nothing is closed), `poison NAME` (the RTDE variable NAME
is NaN from now on) and `cure`; each is answered with `ok`. SIGKILL is the power cut.
"""

import asyncio
import os
import struct
import subprocess
import sys
import threading

from dp_ros.sim import rtde_wire as wire
from dp_ros.sim.ur_controller import PORTS, RTDE_PORT

NAN = struct.pack('>d', float('nan'))


class Switch:
    """What is done to every connection."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.poisoned = ''
        self.writers: set[asyncio.StreamWriter] = set()

    def obey(self, order: str) -> None:
        verb, _, name = order.partition(' ')
        if verb == 'close':
            for writer in self.writers:
                writer.transport.abort()
        elif verb in ('mute', 'unmute'):
            (self.open.clear if verb == 'mute' else self.open.set)()
        else:
            self.poisoned = name


class Connection:
    """One client of one port, and what it has asked the controller to send."""

    def __init__(self, switch: Switch, target: str, port: int) -> None:
        self._switch, self._target, self._port = switch, target, port
        self._names: list[str] = []

    async def serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            server, request = await asyncio.open_connection(self._target, self._port)
        except OSError:
            answer.transport.abort()
            return
        writers = {answer, request}
        self._switch.writers |= writers
        rtde = self._port == RTDE_PORT
        await asyncio.gather(
            self._pump(client, request, self._note if rtde else None),
            self._pump(server, answer, self._poison if rtde else None),
        )
        self._switch.writers -= writers

    async def _pump(self, source, sink, change) -> None:
        buffer = bytearray()
        try:
            while data := await source.read(65536):
                await self._switch.open.wait()
                if change is not None:
                    buffer += data
                    frames = [(k, change(k, p)) for k, p in wire.take_frames(buffer)]
                    data = b''.join(wire.frame(k, p) for k, p in frames)
                sink.write(data)
                await sink.drain()
        except (OSError, wire.WireError):
            pass
        finally:
            sink.close()

    def _note(self, kind: int, payload: bytes) -> bytes:
        if kind == wire.SETUP_OUTPUTS:
            self._names = wire.split_names(payload[wire.FREQUENCY.size :])
        return payload

    def _poison(self, kind: int, payload: bytes) -> bytes:
        name = self._switch.poisoned
        if kind != wire.DATA or name not in self._names:
            return payload
        index = self._names.index(name)
        sizes = [struct.calcsize('>' + _form(n)) for n in self._names]
        begin = 1 + sum(sizes[:index])
        end = begin + sizes[index]
        return payload[:begin] + NAN * (sizes[index] // 8) + payload[end:]


def _form(name: str) -> str:
    return wire.FORMATS[wire.output_type(name) or '']


async def _serve(address: str, target: str) -> None:
    switch, loop = Switch(), asyncio.get_running_loop()
    stop = asyncio.Event()
    servers = [
        await asyncio.start_server(
            lambda r, w, port=port: Connection(switch, target, port).serve(r, w), address, port
        )
        for port in PORTS
    ]

    def answer(order: str) -> None:
        switch.obey(order)
        print('ok', flush=True)

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(answer, line.strip())
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=listen, daemon=True).start()
    print('ok', flush=True)
    await stop.wait()
    for server in servers:
        server.close()


class Proxy:
    """The proxy in a process of its own; ready when made. Call it with an order."""

    def __init__(self, address: str, target: str) -> None:
        self.address, self._target = address, target
        self.start()

    def start(self) -> None:
        """Power on."""
        command = [sys.executable, '-m', 'tests.faults.proxy', self.address, self._target]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._expect()

    def __call__(self, order: str) -> None:
        self._process.stdin.write(f'{order}\n')
        self._process.stdin.flush()
        self._expect()

    def kill(self) -> None:
        """As when the power goes."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _expect(self) -> None:
        line = self._process.stdout.readline().strip()
        if line != 'ok':
            raise RuntimeError(f'the proxy said {line!r}; expected ok')


if __name__ == '__main__':
    asyncio.run(_serve(sys.argv[1], sys.argv[2]))
    # The reading thread may still hold stdin, which a normal exit would wait for.
    os._exit(0)
