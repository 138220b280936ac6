"""The dashboard server: text lines in, text lines out, as an operator at the pendant would act.

Replies are those that ur_rtde 1.6.5 insists on; where it takes any line, those of Universal
Robots' dashboard guide.
"""

from collections.abc import Callable
from typing import Protocol

UNLOCK_TOO_EARLY = (
    'Cannot unlock protective stop until 5s after occurrence. Always inspect cause of protective '
    'stop before unlocking'
)
BANNER = 'Connected: Universal Robots Dashboard Server'
ROBOT_MODES = {3: 'POWER_OFF', 5: 'IDLE', 7: 'RUNNING'}
SAFETY_MODES = {
    1: 'NORMAL',
    3: 'PROTECTIVE_STOP',
    5: 'SAFEGUARD_STOP',
    7: 'ROBOT_EMERGENCY_STOP',
}


class Operated(Protocol):
    """What the dashboard can see of the controller and do to it."""

    software: str
    robot_model: str
    in_remote_control: bool
    robot_mode: int

    @property
    def safety_mode(self) -> int: ...

    @property
    def program_running(self) -> bool: ...

    @property
    def unlockable(self) -> bool: ...

    def stop_program(self) -> None: ...

    def power_off(self) -> None: ...

    def power_on(self) -> None: ...

    def brake_release(self) -> None: ...

    def release(self) -> None: ...


POWER: dict[str, tuple[Callable[[Operated], None], str]] = {
    'power on': (lambda robot: robot.power_on(), 'Powering on'),
    'power off': (lambda robot: robot.power_off(), 'Powering off'),
    'brake release': (lambda robot: robot.brake_release(), 'Brake releasing'),
}


def answer(line: str, robot: Operated) -> str:
    """Reply to one command line."""
    command = line.strip()
    if command == 'stop':
        robot.stop_program()
        return 'Stopped'
    if command == 'unlock protective stop':
        if robot.safety_mode != 3:
            return 'Cannot unlock protective stop: the robot is not in protective stop'
        if not robot.unlockable:
            return UNLOCK_TOO_EARLY
        robot.release()
        return 'Protective stop releasing'
    if command in POWER:
        act, reply = POWER[command]
        act(robot)
        return reply
    if command.startswith('load '):
        return f'Loading program: {command[5:]}'
    safety = SAFETY_MODES.get(robot.safety_mode, 'FAULT')
    replies = {
        'PolyscopeVersion': robot.software,
        'get serial number': '20265500001',
        'get robot model': robot.robot_model,
        'is in remote control': str(robot.in_remote_control).lower(),
        'running': f'Program running: {str(robot.program_running).lower()}',
        'programState': 'PLAYING script' if robot.program_running else 'STOPPED script',
        'robotmode': f'Robotmode: {ROBOT_MODES.get(robot.robot_mode, "NO_CONTROLLER")}',
        'safetymode': f'Safetymode: {safety}',
        'safetystatus': f'Safetystatus: {safety}',
        'get loaded program': 'No program loaded',
        'isProgramSaved': 'True script',
        # The only program is the one that comes over the script port.
        'play': 'Failed to execute: play',
        'pause': 'Failed to execute: pause',
        'close popup': 'closing popup',
        'close safety popup': 'closing safety popup',
        'restart safety': 'Restarting safety',
        'quit': 'Disconnected',
    }
    if command.startswith('popup'):
        return 'showing popup'
    if command.startswith('addToLog'):
        return 'Added log message'
    return replies.get(command, f'could not understand: {command!r}')
