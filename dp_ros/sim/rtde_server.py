"""One RTDE client of the simulated controller: its recipes, its inputs, its stream."""

import asyncio
import logging
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dp_ros.sim import rtde_wire as wire

logger = logging.getLogger(__name__)

Value = float | Sequence[float]

# A client that reads this far behind is stuck; it loses packages instead of our memory.
BACKLOG_BYTES = 1 << 16


class Variables(Protocol):
    """The controller's side of RTDE."""

    control_hz: float
    version: tuple[int, int, int, int]

    def output(self, name: str) -> Callable[[], Value]:
        """A function that gives the present value of an output variable."""

    def input(self, name: str) -> Callable[[Any], None]:
        """A function that takes a new value of an input variable."""


class RTDEConnection(asyncio.Protocol):
    """Answers the requests of one client and publishes its output recipe."""

    def __init__(self, variables: Variables, clients: set['RTDEConnection']) -> None:
        self._variables = variables
        self._clients = clients
        self._buffer = bytearray()
        self._inputs: dict[int, tuple[wire.Recipe, list[Callable[[Any], None]]]] = {}
        self._outputs: wire.Recipe | None = None
        self._getters: list[Callable[[], Value]] = []
        self._every = 1
        self._streaming = False
        self._handlers: dict[int, Callable[[bytes], bytes | None]] = {
            wire.REQUEST_PROTOCOL_VERSION: self._accept_version,
            wire.GET_CONTROLLER_VERSION: lambda _: struct.pack('>4I', *variables.version),
            wire.SETUP_OUTPUTS: self._setup_outputs,
            wire.SETUP_INPUTS: self._setup_inputs,
            wire.START: self._start,
            wire.PAUSE: self._pause,
            wire.DATA: self._take,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._clients.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._streaming = False
        self._clients.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            for kind, payload in wire.take_frames(self._buffer):
                handler = self._handlers.get(kind)
                if handler is None:
                    logger.warning('RTDE frame of unknown kind %d ignored', kind)
                    continue
                answer = handler(payload)
                if answer is not None:
                    self._transport.write(wire.frame(kind, answer))
        except (wire.WireError, struct.error) as error:
            logger.warning('RTDE client dropped: %s', error)
            self._buffer.clear()
            self._transport.close()

    def publish(self, tick: int) -> None:
        """Send the output package if one is due at this tick of the control loop."""
        if not self._streaming or tick % self._every or self._outputs is None:
            return
        if self._transport.get_write_buffer_size() < BACKLOG_BYTES:
            self._transport.write(self._outputs.pack([get() for get in self._getters]))

    @property
    def commands(self) -> bool:
        """Whether the client has set up inputs."""
        return bool(self._inputs)

    def abort(self) -> None:
        """Drop the client without waiting for it."""
        self._transport.abort()

    def _accept_version(self, payload: bytes) -> bytes:
        return bytes([payload == struct.pack('>H', wire.PROTOCOL_VERSION)])

    def _setup_outputs(self, payload: bytes) -> bytes:
        (frequency,) = wire.FREQUENCY.unpack_from(payload)
        names = wire.split_names(payload[wire.FREQUENCY.size :])
        types = [wire.output_type(name) for name in names]
        if frequency > 0.0:
            self._every = max(1, round(self._variables.control_hz / frequency))
        if None not in types:
            self._outputs = wire.Recipe(1, names, types)  # type: ignore[arg-type]
            self._getters = [self._variables.output(name) for name in names]
        return _setup_reply(1 if self._outputs else 0, types)

    def _setup_inputs(self, payload: bytes) -> bytes:
        names = wire.split_names(payload)
        types = [wire.input_type(name) for name in names]
        if None in types:
            return _setup_reply(0, types)
        number = len(self._inputs) + 1
        self._inputs[number] = (
            wire.Recipe(number, names, types),  # type: ignore[arg-type]
            [self._variables.input(name) for name in names],
        )
        return _setup_reply(number, types)

    def _start(self, _: bytes) -> bytes:
        self._streaming = self._outputs is not None
        return bytes([self._streaming])

    def _pause(self, _: bytes) -> bytes:
        self._streaming = False
        return b'\x01'

    def _take(self, payload: bytes) -> None:
        known = self._inputs.get(payload[0]) if payload else None
        if known is None:
            logger.warning('RTDE data package of an unknown recipe ignored')
            return
        recipe, setters = known
        for index, value in recipe.unpack(payload):
            setters[index](value)


def _setup_reply(number: int, types: Sequence[str | None]) -> bytes:
    return bytes([number]) + ','.join(kind or 'NOT_FOUND' for kind in types).encode()
