"""RTDE version 2 on the wire: frames, recipes and the types of the variables.

Everything is big-endian. A frame is uint16 size (its own three header bytes included), uint8
kind, payload. A recipe is a list of variable names agreed on once; from then on only its number
and the packed values travel. Source: Universal Robots' RTDE guide, and the client's own table of
types as measured with ur_rtde 1.6.5 (the client parses by its table, whatever the reply says).
"""

import itertools
import re
import struct
from collections.abc import Iterator, Sequence

REQUEST_PROTOCOL_VERSION = ord('V')
GET_CONTROLLER_VERSION = ord('v')
SETUP_OUTPUTS = ord('O')
SETUP_INPUTS = ord('I')
START = ord('S')
PAUSE = ord('P')
DATA = ord('U')

PROTOCOL_VERSION = 2
HEADER = struct.Struct('>HB')
FREQUENCY = struct.Struct('>d')

FORMATS = {
    'BOOL': '?',
    'UINT8': 'B',
    'INT32': 'i',
    'UINT32': 'I',
    'UINT64': 'Q',
    'DOUBLE': 'd',
    'VECTOR3D': '3d',
    'VECTOR6D': '6d',
    'VECTOR6INT32': '6i',
    'VECTOR6UINT32': '6I',
}

_REGISTER = re.compile(r'(input|output)_(int|double|bit)_register_(\d+)')
_REGISTER_TYPES = {'int': 'INT32', 'double': 'DOUBLE', 'bit': 'BOOL'}
_REGISTER_COUNTS = {'int': 48, 'double': 48, 'bit': 128}


def _table(**names: str) -> dict[str, str]:
    return {name: kind for kind, joined in names.items() for name in joined.split()}


_OUTPUTS = _table(
    VECTOR6D=(
        'target_q target_qd target_qdd target_current target_moment actual_q actual_qd '
        'actual_current joint_control_output actual_TCP_pose actual_TCP_speed actual_TCP_force '
        'target_TCP_pose target_TCP_speed joint_temperatures actual_joint_voltage ft_raw_wrench '
        'payload_inertia'
    ),
    VECTOR3D='actual_tool_accelerometer payload_cog elbow_position elbow_velocity',
    DOUBLE=(
        'timestamp actual_execution_time speed_scaling target_speed_fraction actual_momentum '
        'actual_main_voltage actual_robot_voltage actual_robot_current standard_analog_input0 '
        'standard_analog_input1 standard_analog_output0 standard_analog_output1 payload'
    ),
    INT32='robot_mode safety_mode',
    UINT32='runtime_state robot_status_bits safety_status_bits',
    UINT64='actual_digital_input_bits actual_digital_output_bits',
    VECTOR6INT32='joint_mode',
)
_INPUTS = _table(
    VECTOR6D='external_force_torque',
    UINT32='speed_slider_mask',
    DOUBLE='speed_slider_fraction standard_analog_output_0 standard_analog_output_1',
    UINT8=(
        'standard_digital_output_mask standard_digital_output configurable_digital_output_mask '
        'configurable_digital_output tool_digital_output_mask tool_digital_output '
        'standard_analog_output_mask standard_analog_output_type'
    ),
)


class WireError(Exception):
    """The peer sent bytes that cannot be RTDE frames."""


def output_type(name: str) -> str | None:
    """Type of a variable that the controller sends; None if there is no such variable."""
    return _OUTPUTS.get(name) or _register_type(name, 'output')


def input_type(name: str) -> str | None:
    """Type of a variable that the controller receives; None if there is no such variable."""
    return _INPUTS.get(name) or _register_type(name, 'input')


def register(name: str) -> tuple[str, int] | None:
    """'input_double_register_3' -> ('double', 3); None for any other name."""
    match = _REGISTER.fullmatch(name)
    return (match[2], int(match[3])) if match else None


def _register_type(name: str, direction: str) -> str | None:
    match = _REGISTER.fullmatch(name)
    if match is None or match[1] != direction or int(match[3]) >= _REGISTER_COUNTS[match[2]]:
        return None
    return _REGISTER_TYPES[match[2]]


class Recipe:
    """Names and types of one recipe, and the struct that packs its values behind their id."""

    def __init__(self, number: int, names: Sequence[str], types: Sequence[str]) -> None:
        self.number = number
        self.names = tuple(names)
        self.types = tuple(types)
        formats = [FORMATS[kind] for kind in types]
        self._packed = struct.Struct('>B' + ''.join(formats))
        self._header = HEADER.pack(HEADER.size + self._packed.size, DATA)
        # Offsets from the recipe id on: a packet may end early, see unpack.
        self._fields = [struct.Struct('>' + form) for form in formats]
        self._vector = [form[0].isdigit() for form in formats]

    def pack(self, values: Sequence[float | Sequence[float]]) -> bytes:
        """Frame with one value (a number, or a sequence for a vector) per name."""
        flat = itertools.chain.from_iterable(
            value if vector else (value,)  # type: ignore[misc]
            for value, vector in zip(values, self._vector)
        )
        return self._header + self._packed.pack(self.number, *flat)

    def unpack(self, payload: bytes) -> Iterator[tuple[int, float | tuple[float, ...]]]:
        """Payload that begins with the recipe id -> (index of the name, value).

        A controller reads the bytes in order, so a packet with a field too few or too many
        shifts every later one; here too. Fields beyond the end of the packet stay as they were.
        """
        if len(payload) == self._packed.size and not any(self._vector):
            yield from enumerate(self._packed.unpack(payload)[1:])
            return
        offset = 1
        for index, field in enumerate(self._fields):
            if offset + field.size > len(payload):
                return
            values = field.unpack_from(payload, offset)
            yield index, values if self._vector[index] else values[0]
            offset += field.size


def frame(kind: int, payload: bytes = b'') -> bytes:
    """One frame of the given kind."""
    return HEADER.pack(HEADER.size + len(payload), kind) + payload


def take_frames(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Remove the whole frames at the front of the buffer: (kind, payload) of each."""
    while len(buffer) >= HEADER.size:
        size, kind = HEADER.unpack_from(buffer)
        if size < HEADER.size:
            raise WireError(f'frame of {size} bytes; a header alone has {HEADER.size}')
        if len(buffer) < size:
            return
        payload = bytes(buffer[HEADER.size : size])
        del buffer[:size]
        yield kind, payload


def split_names(payload: bytes) -> list[str]:
    """Comma-joined names, a trailing comma allowed."""
    return [name for name in payload.decode('ascii', 'replace').split(',') if name]
