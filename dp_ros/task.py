"""The task description: which streams go in, which actions come out, at which rate and horizons.

It is written once, in YAML, and travels with every data set and checkpoint. A policy runs only on
the description it was trained with.

    window     T_o grid times, 1/rate apart, ending at the anchor t_0
    prediction T_p actions; the first belongs to the window's step -(T_o - 1), or to `first`
    action     the action of step i is decided at t_i and is the waypoint due at t_i + 1/rate
    execution  T_a actions are meant to be played before the next prediction takes over
"""

from collections.abc import Sized
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from dp_ros import yamlfile
from dp_ros.core import rotations
from dp_ros.core.arms import Part

Array = NDArray[np.float64]

POSE_COMPONENTS = ('x', 'y', 'z', 'yaw', 'rx', 'ry', 'rz', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6')
POSE_AXES = ('x', 'y', 'z', 'rx', 'ry', 'rz')
SIX = ('r1', 'r2', 'r3', 'r4', 'r5', 'r6')
Name = Annotated[str, Field(min_length=1, pattern=r'^[A-Za-z][A-Za-z0-9_]*$')]


def _is_empty(value: Sized) -> bool:
    return len(value) == 0


class PoseStream(yamlfile.Settings):
    """A geometry_msgs/PoseStamped topic, seen through some of its components.

    x y z [m]; yaw [rad]; rx ry rz = rotation vector [rad]; r1..r6 = the 6D form.
    """

    type: Literal['pose']
    name: Name
    topic: str = Field(pattern=r'^/')
    components: tuple[str, ...] = Field(min_length=1)
    tolerance_s: float = Field(
        default=0.1, gt=0, description='largest gap bridged by interpolation'
    )

    @model_validator(mode='after')
    def _components_exist(self) -> 'PoseStream':
        _check_components(self.components)
        return self

    def select(self, poses: Array) -> Array:
        """Poses (..., 7) as x y z qx qy qz qw -> the stream's components (..., k)."""
        return pose_components(poses, self.components)


class JointStream(yamlfile.Settings):
    """A sensor_msgs/JointState topic: positions [rad] of the named joints, in the order given."""

    type: Literal['joints']
    name: Name
    topic: str = Field(pattern=r'^/')
    components: tuple[str, ...] = Field(min_length=1, description='joint names')
    tolerance_s: float = Field(default=0.1, gt=0)

    def select(self, positions: Array) -> Array:
        """Positions (..., k) of the named joints: in order, since they are read by name."""
        return positions


class ImageStream(yamlfile.Settings):
    """A camera, called as the robot file calls it; its topics are those of realsense-ros.

    A frame comes as `width` x `height`; the policy sees its `crop`, resampled to `size`.
    """

    type: Literal['image']
    name: Name = Field(description='the camera')
    width: int = Field(gt=0, description='of the frames that the camera sends [px]')
    height: int = Field(gt=0)
    crop: tuple[int, int, int, int] | None = Field(
        default=None, description='left, top, width, height [px]; the whole frame if not given'
    )
    size: tuple[int, int] = Field(description='width, height [px] that the policy sees')
    rate_hz: float = Field(default=30.0, gt=0, description='of the camera')
    tolerance_s: float = Field(
        default=0.1, gt=0, description='how old a frame may be at its grid time'
    )

    @model_validator(mode='after')
    def _crop_lies_inside(self) -> 'ImageStream':
        left, top, width, height = self.box
        inside = 0 <= left < left + width <= self.width and 0 <= top < top + height <= self.height
        if not inside:
            raise ValueError(
                f'crop {self.crop} (left, top, width, height) must lie inside the frame of '
                f'{self.width} x {self.height} pixels'
            )
        if min(self.size) < 1:
            raise ValueError(f'size {self.size} must be at least 1 x 1 pixel')
        return self

    @property
    def topic(self) -> str:
        """Topic of the raw frames."""
        return f'/{self.name}/color/image_raw'

    @property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, width, height [px] of what is kept of a frame."""
        return self.crop or (0, 0, self.width, self.height)


VectorStream = PoseStream | JointStream
Stream = Annotated[PoseStream | JointStream | ImageStream, Field(discriminator='type')]


class CartesianAction(yamlfile.Settings):
    """Actions are TCP poses in the base frame; the components not predicted are held `fixed`.

    A rotation that is predicted is best given as r1..r6, the 6D form (Zhou et al. 2019): rx ry rz
    change their sign half a turn from the base, which is where a tool points down.
    """

    space: Literal['cartesian']
    components: tuple[str, ...] = Field(min_length=1)
    fixed: dict[str, float] = Field(default_factory=dict, description='components held constant')

    @model_validator(mode='after')
    def _whole_pose(self) -> 'CartesianAction':
        given = (*self.components, *self.fixed)
        _check_components(given)
        wanted = (set(POSE_AXES), {'x', 'y', 'z', *SIX})
        halved = set(SIX) & set(self.fixed)
        if len(set(given)) != len(given) or set(given) not in wanted or halved:
            raise ValueError(
                f'components and fixed together must name each of {sorted(wanted[0])} once, or '
                f'components {", ".join(SIX)} in the place of rx, ry and rz; found {sorted(given)}'
            )
        return self

    @property
    def free_axes(self) -> tuple[bool, bool, bool, bool, bool, bool]:
        """Whether x y z rx ry rz may be moved: those that are not `fixed`."""
        x, y, z, rx, ry, rz = (name not in self.fixed for name in POSE_AXES)
        return x, y, z, rx, ry, rz

    def poses(self, actions: Array) -> Array:
        """Predicted components (..., k) -> poses (..., 7) as x y z qx qy qz qw."""
        actions = np.asarray(actions, dtype=float)
        values = {name: actions[..., i] for i, name in enumerate(self.components)}
        for name, constant in self.fixed.items():
            values[name] = np.full(actions.shape[:-1], constant)
        position = np.stack([values[name] for name in ('x', 'y', 'z')], axis=-1)
        if SIX[0] in values:
            six = np.stack([values[name] for name in SIX], axis=-1)
            quaternion = rotations.quaternion_from_six(six)
        else:
            vector = np.stack([values[name] for name in ('rx', 'ry', 'rz')], axis=-1)
            quaternion = rotations.quaternion_from_rotation_vector(vector)
        return np.concatenate([position, quaternion], axis=-1)

    def actions(self, poses: Array) -> Array:
        """The inverse: poses (..., 7) -> components (..., k); rx ry rz are the shortest vector."""
        return pose_components(poses, self.components)


class JointAction(yamlfile.Settings):
    """Actions are joint positions [rad] of the named joints; those that are discrete are 0 or 1.

    Where one policy moves several arms, `arms` says which components are whose, base to tool.
    """

    space: Literal['joint']
    components: tuple[str, ...] = Field(min_length=1, description='joint names')
    # Left out where they are not set: tasks of one arm stay as they were.
    arms: dict[Name, tuple[str, ...]] = Field(
        default_factory=dict, exclude_if=_is_empty, description='arm: its components'
    )
    discrete: tuple[str, ...] = Field(
        default=(), exclude_if=_is_empty, description='components that are not blended: grippers'
    )

    @model_validator(mode='after')
    def _each_has_its_arm(self) -> 'JointAction':
        given = ', '.join(self.components)
        if len(set(self.components)) != len(self.components):
            raise ValueError(f'components name one twice: {given}')
        strange = [name for name in self.discrete if name not in self.components]
        if strange:
            raise ValueError(f'discrete names {strange}, which components lacks: {given}')
        if self.discrete and not self.arms:
            raise ValueError(
                f'discrete components go with an arm: say in arms which, as in arm: [{given}]'
            )
        named = [name for names in self.arms.values() for name in names]
        if self.arms and sorted(named) != sorted(self.components):
            raise ValueError(
                f'arms must give each component to one arm. Components, in order: {given}. Arms: '
                + '; '.join(f'{arm}: {", ".join(names)}' for arm, names in self.arms.items())
            )
        idle = [arm for arm, names in self.arms.items() if set(names) <= set(self.discrete)]
        if idle:
            raise ValueError(f'arm {idle[0]!r} has no joint: give it components that move it')
        return self

    @property
    def parts(self) -> dict[str, Part]:
        """The columns of each arm in an action; empty where all belong to the only one."""
        columns = {name: i for i, name in enumerate(self.components)}
        return {
            arm: Part(
                tuple(columns[name] for name in names if name not in self.discrete),
                tuple(columns[name] for name in names if name in self.discrete),
            )
            for arm, names in self.arms.items()
        }


Action = Annotated[CartesianAction | JointAction, Field(discriminator='space')]


class Horizons(yamlfile.Settings):
    """Steps of the policy grid: T_o seen, T_p predicted, T_a executed (Chi et al. 2023, fig. 3)"""

    observation: int = Field(ge=1, description='T_o')
    prediction: int = Field(ge=1, description='T_p')
    action: int = Field(ge=1, description='T_a')
    first: int = Field(default=-1, le=0, description='step of the first predicted action; now = 0')

    @model_validator(mode='after')
    def _fits(self) -> 'Horizons':
        if self.first + self.prediction < self.action:
            raise ValueError(
                f'prediction {self.prediction} from step {self.first} has only '
                f'{self.first + self.prediction} actions from now on, fewer than action '
                f'{self.action}'
            )
        if self.first <= -self.observation:
            raise ValueError(
                f'first {self.first} lies before the window of {self.observation} steps'
            )
        return self

    @property
    def now(self) -> int:
        """Index, within a prediction, of the action decided at the anchor."""
        return -self.first


class Task(yamlfile.Settings):
    """One task: what the policy sees, what it says, and when."""

    name: Name
    description: str = ''
    rate_hz: float = Field(gt=0, le=100)
    horizons: Horizons
    observations: tuple[Stream, ...] = Field(min_length=1)
    action: Action

    @model_validator(mode='after')
    def _names_differ(self) -> 'Task':
        names = [stream.name for stream in self.observations]
        if len(set(names)) != len(names):
            raise ValueError(f'two observations bear one name: {names}')
        if not self.vectors:
            raise ValueError('observations need at least one stream of poses or joints')
        return self

    @property
    def period_ns(self) -> int:
        """Step of the policy grid [ns]."""
        return round(1e9 / self.rate_hz)

    @property
    def vectors(self) -> tuple[VectorStream, ...]:
        """The streams of numbers, in task order."""
        return tuple(s for s in self.observations if not isinstance(s, ImageStream))

    @property
    def cameras(self) -> tuple[ImageStream, ...]:
        """The streams of images, in task order."""
        return tuple(s for s in self.observations if isinstance(s, ImageStream))

    @property
    def observation_dim(self) -> int:
        """D: numbers in one step of the observation, images not counted."""
        return sum(len(stream.components) for stream in self.vectors)

    @property
    def action_dim(self) -> int:
        """A: numbers in one action."""
        return len(self.action.components)

    @property
    def teleoperated_axes(self) -> tuple[bool, bool, bool, bool, bool, bool]:
        """Which of x y z rx ry rz a person may move; ValueError where actions are joints."""
        if isinstance(self.action, CartesianAction):
            return self.action.free_axes
        raise ValueError(
            f'task {self.name!r} has joint actions; teleoperation moves the tool centre point and '
            f'needs a task whose action has space: cartesian'
        )

    def vector(self, streams: dict[str, Array]) -> Array:
        """Values by stream name, each (T_o, n) -> observation (T_o, D), streams in task order."""
        selected = [stream.select(streams[stream.name]) for stream in self.vectors]
        return np.concatenate(selected, axis=-1)

    def difference(self, other: 'Task') -> str | None:
        """The first field in which `other` differs, with both values; None when they agree."""
        return first_difference(self.model_dump(), other.model_dump())


def load_task(path: Path | str) -> Task:
    """Read a task description; raises yamlfile.ConfigError."""
    return yamlfile.load(Task, path)


def pose_components(poses: Array, names: tuple[str, ...]) -> Array:
    """Poses (..., 7) -> the named components (..., k)."""
    poses = np.asarray(poses, dtype=float)
    columns: dict[str, Array] = {name: poses[..., i] for i, name in enumerate('xyz')}
    quaternion = poses[..., 3:]
    if 'yaw' in names:
        columns['yaw'] = rotations.yaw_from_quaternion(quaternion)
    if any(name in ('rx', 'ry', 'rz') for name in names):
        vector = rotations.rotation_vector_from_quaternion(quaternion)
        columns |= {name: vector[..., i] for i, name in enumerate(('rx', 'ry', 'rz'))}
    if any(name[1:].isdigit() for name in names):
        six = rotations.six_from_quaternion(quaternion)
        columns |= {f'r{i + 1}': six[..., i] for i in range(6)}
    return np.stack([columns[name] for name in names], axis=-1)


def _check_components(names: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in POSE_COMPONENTS]
    if unknown:
        raise ValueError(f'unknown pose components {unknown}; valid: {", ".join(POSE_COMPONENTS)}')


def first_difference(mine: object, theirs: object, place: str = '') -> str | None:
    """Where two trees of dicts and lists differ first, and in what; None when they agree."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in [*mine, *(k for k in theirs if k not in mine)]:
            inner = f'{place}.{key}' if place else str(key)
            found = first_difference(mine.get(key), theirs.get(key), inner)
            if found:
                return found
        return None
    if (
        isinstance(mine, (list, tuple))
        and isinstance(theirs, (list, tuple))
        and len(mine) == len(theirs)
    ):
        pairs = enumerate(zip(mine, theirs, strict=True))
        found_all = (first_difference(a, b, f'{place}[{i}]') for i, (a, b) in pairs)
        return next((found for found in found_all if found), None)
    return None if mine == theirs else f'{place}: {mine!r} against {theirs!r}'
