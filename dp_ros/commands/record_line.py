"""What the recorder says of itself, as one line for a person."""

from collections.abc import Mapping

from rich.text import Text

from dp_ros.data import topic_names
from dp_ros.data.stream_inputs import stream_inputs
from dp_ros.robot import Robot
from dp_ros.task import ImageStream, Task

RATE = 'rate_hz'
# The executor publishes state at this rate unless told otherwise.
STATE_RATE_HZ = 60.0
# Below this share of its nominal rate a stream is shown in red.
LOW = 0.8
# They are always there, and tell a person nothing.
UNTOLD = (topic_names.DIAGNOSTICS, topic_names.MODE)
HELP = 'space start   s stop: success   f stop: failure   x discard   q quit'


def nominal_rates(task: Task, robot: Robot) -> dict[str, float]:
    """Topic -> the rate [Hz] at which it should speak, for those that always do."""
    rates = dict.fromkeys((topic_names.JOINT_STATES, topic_names.TCP_POSE), STATE_RATE_HZ)
    for stream, source in zip(task.observations, stream_inputs(task, robot), strict=True):
        if isinstance(stream, ImageStream):
            rates[source.topic] = robot.cameras[stream.name].rate_hz
        else:
            rates.setdefault(source.topic, task.rate_hz)
    return rates


def line(said: str, bad: bool, values: Mapping[str, str], nominal: Mapping[str, float]) -> Text:
    """`said` and `values` of the recorder's status; bad: it is an error."""
    recording = 'seconds' in values
    colour = 'bold red' if bad else 'bold green' if recording else 'bold'
    made = Text.assemble((f'● {said}' if recording else said, colour))
    if recording:
        made.append(f'  {float(values["seconds"]):.0f} s')
    separator = '  |  '
    for topic, hz in _rates(values).items():
        wanted = nominal.get(topic)
        if topic in UNTOLD or topic.endswith('camera_info') or (not hz and wanted is None):
            continue
        made.append(separator)
        low = wanted is not None and hz < LOW * wanted
        made.append(f'{short_name(topic)} {hz:.0f}', 'red' if low else '')
        separator = ' '
    if recording:
        lost = int(values.get('lost', 0))
        made.append(f'  |  lost {lost}', 'red' if lost else '')
    made.append(f'  |  {_disk(values)}')
    return made


def short_name(topic: str) -> str:
    """/overhead/color/image_raw -> overhead, /executor/command -> command."""
    parts = topic.strip('/').split('/')
    return parts[0] if 'color' in parts else parts[-1]


def _rates(values: Mapping[str, str]) -> dict[str, float]:
    return {k.removeprefix(RATE): float(v) for k, v in values.items() if k.startswith(f'{RATE}/')}


def _disk(values: Mapping[str, str]) -> str:
    left, rate = float(values['disk_left_gb']), float(values['mb_per_s'])
    if rate <= 0:
        return f'{left:.1f} GB left'
    minutes = left * 1e3 / rate / 60
    time = f'{minutes:.0f} min' if minutes < 120 else f'{minutes / 60:.0f} h'
    return f'{left:.1f} GB, {time} left'
