"""The names that UMI gives to its arrays, and where a task's components stand in them."""

from collections.abc import Collection

from dp_ros.data.key_map import Source
from dp_ros.task import CartesianAction, PoseStream, Task, VectorStream

POSE = ('x', 'y', 'z', 'rx', 'ry', 'rz')
POSITION, ROTATION = 'robot0_eef_pos', 'robot0_eef_rot_axis_angle'
START, END = 'robot0_demo_start_pose', 'robot0_demo_end_pose'
WIDTH = 'robot0_gripper_width'
GRIPPER = 'gripper'


def frames(number: int) -> str:
    """Key of a camera's frames; cameras are counted in task order."""
    return f'camera{number}_rgb'


def is_gripper(stream: VectorStream) -> bool:
    """Whether `stream` is what UMI calls the width of the gripper."""
    return stream.name == GRIPPER and len(stream.components) == 1


def tool(task: Task) -> PoseStream | None:
    """The stream of the tool's poses: the one named tcp, or the only one."""
    poses = [stream for stream in task.vectors if isinstance(stream, PoseStream)]
    named = [stream for stream in poses if stream.name == 'tcp'] or poses
    return named[0] if len(named) == 1 else None


def guess(task: Task, keys: Collection[str], next_actions: bool) -> dict[str, tuple[Source, ...]]:
    """What of `task` stands where in a set that has UMI's names; nothing for other sets."""
    if not {POSITION, ROTATION} <= set(keys):
        return {}
    found: dict[str, tuple[Source, ...]] = {}
    stream = tool(task)
    if stream and set(stream.components) <= set(POSE) and stream.name not in keys:
        found[stream.name] = _in_pose(stream.components)
    for other in task.vectors:
        if is_gripper(other) and WIDTH in keys and other.name not in keys:
            found[other.name] = (Source(WIDTH),)
    for number, camera in enumerate(task.cameras):
        if frames(number) in keys and camera.name not in keys:
            found[camera.name] = (Source(frames(number)),)
    components = task.action.components
    # Those that UMI does not know are missing, and named as such.
    if isinstance(task.action, CartesianAction) and set(components) <= set(POSE):
        if next_actions:
            found['action'] = _in_pose(components)
        elif 'action' in keys:
            found['action'] = (Source('action', tuple(map(POSE.index, components))),)
    return found


def _in_pose(components: tuple[str, ...]) -> tuple[Source, ...]:
    places = [POSE.index(name) for name in components]
    return tuple(Source(POSITION if i < 3 else ROTATION, (i % 3,)) for i in places)
