"""Each graph as one list of processes; launch files and the command line both read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dp_ros.data.episode import write_settings
from dp_ros.paths import share
from dp_ros.robot import Robot, load_robot
from dp_ros.ros_process import Process, Role
from dp_ros.task import load_task

# What the demo runs if nothing else is said; shipped() knows the choices.
DEFAULT_POLICY = 'image'
# Managed nodes are brought up in this order: those of a row once the row before is active.
STAGES = (
    (Role.CELL,),
    (Role.ARM, Role.CAMERA, Role.RECORDER),
    (Role.POLICY, Role.HAND),
)


@dataclass(frozen=True)
class Policy:
    """A trained policy and the task that it does."""

    checkpoint: Path
    task: Path


def shipped(policy: str) -> Policy:
    """The policy of the demo: 'image' sees two cameras, 'state' the true pose of the T."""
    name = {'image': 'pusht_cell_image', 'state': 'pusht_cell'}[policy]
    return Policy(share('models', name), share('config', 'tasks', f'{name}.yaml'))


def trained(checkpoint: Path) -> Policy:
    """The policy in a checkpoint, with the task that it was trained for."""
    return Policy(checkpoint, checkpoint / 'task.yaml')


def cameras(task: Path, robot: Path, address: str = '') -> list[Process]:
    """One process for each camera that the task sees; address: of the simulated cell.

    Raises yamlfile.ConfigError or, where the robot file lacks one of them, ValueError.
    """
    seen = load_task(task)
    load_robot(robot).require_cameras(seen, str(robot))
    return [camera(stream.name, robot, address) for stream in seen.cameras]


def camera(name: str, robot: Path, address: str = '') -> Process:
    """The process of the camera that the robot file calls `name`."""
    parameters = {'camera': name, 'robot': robot}
    if address:
        parameters['address'] = address
    return Process('camera', parameters, node=name)


def simulated_cell(
    policy: Policy | None = None,
    robot: Path | None = None,
    address: str = '127.0.0.2',
    series: str = 'e-Series',
    rate_hz: int = 125,
    planning: Mapping[str, Any] | None = None,
) -> list[Process]:
    """The graph without its conductor: the cell, its cameras, the executor, the policy.

    planning: further parameters of the inference node.
    """
    policy = policy or shipped(DEFAULT_POLICY)
    robot = robot or share('config', 'robots', 'ur5e_sim.yaml')
    task, checkpoint = policy.task, policy.checkpoint
    return [
        Process('sim', {'address': address, 'series': series}),
        *cameras(task, robot, address),
        Process(
            'executor', {'task': task, 'robot': robot, 'address': address, 'rate_hz': rate_hz}
        ),
        Process(
            'policy', {'task': task, 'robot': robot, 'checkpoint': checkpoint, **(planning or {})}
        ),
    ]


def planning(
    transition: str = '',
    added_latency_ms: float = 0.0,
    wait: bool = False,
    device: str = '',
    precision: str = '',
) -> dict[str, Any]:
    """Parameters of the inference node: how chunks are joined ('': as it likes), and a delay.

    wait: the arm stands while the policy thinks, as a measure of what moving meanwhile gains.
    device, precision: where it computes, and how precisely (learning/place.py).
    """
    chosen = {'transition': transition, 'device': device, 'precision': precision}
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value}
    if wait:
        given['wait'] = True
    if added_latency_ms:
        given['added_latency_ms'] = float(added_latency_ms)
    return given


def supervised(graph: Sequence[Process]) -> list[Process]:
    """`graph` with a manager, which brings its nodes up in order and watches over them."""

    def names(*roles: Role, within: str = ',') -> str:
        return ','.join(within.join(p.nodes) for p in graph if p.role in roles)

    stages = [stage for stage in (names(*roles, within='>') for roles in STAGES) if stage]
    manager = Process(
        'manager',
        {
            'stages': stages,
            'policy_needs': names(Role.POLICY, Role.CAMERA),
            'teleoperation_needs': names(Role.HAND),
        },
    )
    managed = {role for roles in STAGES for role in roles}
    members = [
        replace(p, parameters={**p.parameters, 'autostart': False}) if p.role in managed else p
        for p in graph
    ]
    return [*members, manager]


def demo(
    out: Path, episodes: int = 5, seed: int = 1000, video: bool = True, **cell: Any
) -> list[Process]:
    """The whole demo: the simulated cell, and the conductor that runs episodes and reports."""
    parameters = {'out': out.resolve(), 'episodes': episodes, 'seed': seed, 'video': video}
    graph = simulated_cell(**cell)
    policy = graph[-1].parameters
    parameters |= {'checkpoint': policy['checkpoint'], 'task': policy['task']}
    return [*supervised(graph), Process('rollout', parameters, leads=True)]


def robot(
    robot: Path,
    task: Path,
    checkpoint: Path | None = None,
    device: Path | None = None,
    planning: Mapping[str, Any] | None = None,
) -> list[Process]:
    """A real arm: its cameras and the executor; a policy and a person's device where given.

    planning: further parameters of the inference node.
    A manager brings them up and watches over them. Where the robot's cameras look at the simulated
    cell, that runs, too.
    """
    settings = load_robot(robot)
    given = {'task': task.resolve(), 'robot': robot.resolve()}
    address = settings.arm.address if settings.simulated else ''
    cell = [Process('sim', {'address': address})] if settings.simulated else []
    graph = [*cell, *cameras(task, robot.resolve(), address), Process('executor', given)]
    if checkpoint is not None:
        policy = {**given, 'checkpoint': checkpoint.resolve(), **(planning or {})}
        graph.append(Process('policy', policy))
    if device is not None:
        graph.append(Process('teleop', {'task': task.resolve(), 'device': device.resolve()}))
    return supervised(graph)


def demonstration(
    recordings: Path,
    task: Path,
    robot: Path,
    address: str,
    episodes: int,
    seed: int,
) -> list[Process]:
    """The scripted operator teleoperates the simulated cell through Joy, and is recorded."""
    device = share('config', 'teleop', 'joy_scripted.yaml')
    given = {'task': task, 'robot': robot}
    return [
        Process('sim', {'address': address}),
        *cameras(task, robot, address),
        Process('executor', {**given, 'address': address}),
        Process('teleop', {'task': task, 'device': device}),
        Process('recorder', {**given, 'folder': recordings.resolve(), 'operator': 'scripted'}),
        Process('operator', {'episodes': episodes, 'seed': seed, 'device': device}, leads=True),
    ]


def latency(
    robot: Path, settings: Robot, out: Path, seconds: float, address: str, attach: bool
) -> list[Process]:
    """The process that times the cameras of `robot`, and unless `attach` all that it needs."""
    measuring = Process(
        'latency', {'robot': robot, 'out': out, 'seconds': float(seconds)}, leads=True
    )
    if attach:
        return [measuring]
    seen = [
        camera(name, robot, address if settings.simulated else '') for name in settings.cameras
    ]
    return [*_moving_arm(robot, settings, address), *seen, measuring]


def calibrate_servo(
    robot: Path,
    settings: Robot,
    out: Path,
    seconds: float,
    address: str,
    attach: bool,
    lookahead_s: float,
    gain: float,
) -> list[Process]:
    """The process that measures how the arm follows, and unless `attach` an executor for it."""
    measuring = Process('calibrate_servo', {'out': out, 'seconds': float(seconds)}, leads=True)
    if attach:
        return [measuring]
    servo = {'lookahead_s': float(lookahead_s), 'gain': float(gain)}
    # Every tick is said: the lag is a few of them.
    said = {'state_rate_hz': settings.rate_hz}
    return [*_moving_arm(robot, settings, address, **servo, **said), measuring]


def _moving_arm(robot: Path, settings: Robot, address: str, **executor: Any) -> list[Process]:
    """An executor that plays what a measuring process sends, and the cell where it is simulated.

    executor: further parameters of it.
    """
    cell = [Process('sim', {'address': address})] if settings.simulated else []
    # Any task with Cartesian actions will do: no policy runs.
    task = share('config', 'tasks', 'pusht_cell.yaml')
    given = {'task': task, 'robot': robot, 'address': address}
    return [*cell, Process('executor', {**given, **executor})]


def record(task: Path, robot: Path, folder: Path, **settings: Any) -> list[Process]:
    """The recorder beside a graph that runs; settings: further parameters of its node."""
    files = {'task': task.resolve(), 'robot': robot.resolve(), 'folder': folder.resolve()}
    return [Process('recorder', {**files, **settings})]


def replay(
    bag: Path,
    checkpoint: Path,
    out: Path,
    robot: Path | None = None,
    speed: float = 1.0,
    plays: bool = True,
    planning: Mapping[str, Any] | None = None,
) -> list[Process]:
    """A bag through a policy and an executor that moves nothing, on the time of the bag.

    Task and robot are those of the bag, unless `robot` is given. Without `plays` something else
    plays the bag, with its clock (ros2 bag play --clock). planning: further parameters of the
    inference node. Raises BagError, yamlfile.ConfigError.
    """
    task, recorded_robot = write_settings(bag, out)
    given = {'task': task.resolve(), 'robot': (robot or recorded_robot).resolve()}
    timed = {**given, 'use_sim_time': True}
    graph = [
        Process('executor', {**timed, 'dry_run': True, 'speed': float(speed)}),
        Process('policy', {**timed, 'checkpoint': checkpoint.resolve(), **(planning or {})}),
    ]
    if plays:
        parameters = {'bag': bag.resolve(), 'speed': float(speed), 'out': out.resolve()}
        graph.append(Process('replay', parameters, leads=True))
    return graph
