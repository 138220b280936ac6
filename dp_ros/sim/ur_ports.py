"""Listening sockets and the text ports of the simulated controller."""

import asyncio
import errno
import logging
import re
import socket
from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

# A control script has about 50 kB; a client that sends more than this sends something else.
SCRIPT_LIMIT_BYTES = 1 << 20
LINE_LIMIT_BYTES = 1 << 12
_LAST_LINE = re.compile(rb'^end[ \t\r]*\n', re.MULTILINE)


class AddressInUse(OSError):
    """Another process listens on an address and port that the controller needs."""


def is_free(address: str, ports: Sequence[int]) -> bool:
    """Whether all of `ports` could be bound on `address` now."""
    try:
        opened = listen(address, ports)
    except OSError:
        return False
    for listener in opened:
        listener.close()
    return True


def listen(address: str, ports: Sequence[int]) -> list[socket.socket]:
    """One listening socket per port, or AddressInUse with none of them left open."""
    sockets: list[socket.socket] = []
    for port in ports:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sockets.append(listener)
        try:
            # A peer that was killed leaves connections behind that would block the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen()
        except OSError as error:
            for opened in sockets:
                opened.close()
            if error.errno != errno.EADDRINUSE:
                raise OSError(
                    error.errno, f'cannot listen on {address}:{port}: {error.strerror}'
                ) from error
            raise AddressInUse(
                error.errno,
                f'{address}:{port} is in use; expected it to be free. Stop the program that '
                f'listens there or choose another 127.x.y.z address for the simulated robot',
            ) from error
    return sockets


class TextConnection(asyncio.Protocol):
    """A client that sends text: whole pieces go to `take`, whose answer goes back.

    cut: how many bytes at the front of the buffer are one whole piece; 0 for none yet.
    """

    def __init__(
        self,
        cut: Callable[[bytearray], int],
        take: Callable[[str], str | None],
        clients: set['TextConnection'],
        banner: str = '',
        limit_bytes: int = LINE_LIMIT_BYTES,
    ) -> None:
        self._cut, self._take, self._clients = cut, take, clients
        self._banner, self._limit_bytes = banner, limit_bytes
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._clients.add(self)
        if self._banner:
            self._transport.write(self._banner.encode() + b'\n')

    def connection_lost(self, _exc: Exception | None) -> None:
        self._clients.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while size := self._cut(self._buffer):
            piece = self._buffer[:size].decode('utf-8', 'replace')
            del self._buffer[:size]
            reply = self._take(piece)
            if reply is not None:
                self._transport.write(reply.encode() + b'\n')
        if len(self._buffer) > self._limit_bytes:
            logger.warning('a text client sent %d bytes without an end', len(self._buffer))
            self._buffer.clear()
            self._transport.close()

    def abort(self) -> None:
        """Drop the client without waiting for it."""
        self._transport.abort()


def cut_line(buffer: bytearray) -> int:
    """Length of the first line, its end included; 0 if it is not complete."""
    return buffer.find(b'\n') + 1


def cut_program(buffer: bytearray) -> int:
    """Length of the first program, up to its unindented `end`; 0 if it is not complete."""
    match = _LAST_LINE.search(buffer)
    return match.end() if match else 0
