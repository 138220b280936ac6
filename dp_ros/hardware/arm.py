"""The protocol of every arm: the executor knows nothing else about it."""

from typing import Protocol

from dp_ros.core.robot import Command, RobotState


class ArmError(Exception):
    """The arm cannot do what was asked; the text says what was expected, what came, what to do."""


class DriverBroken(Exception):
    """The vendor's library is not to be trusted any more: the process that loaded it must end."""


class Arm(Protocol):
    """A position-controlled arm that follows a stream of setpoints.

    All methods are called from one thread. The arm itself feeds whatever watchdog it has armed,
    as long as `read` or `send` is called at the control rate.
    """

    def connect(self, unlock_stop: bool = False) -> None:
        """Make the arm ready for `send`, or raise ArmError within 5 s when nobody answers.

        Called again after a stop or a lost link it recovers; it never moves the arm. unlock_stop:
        end a protective stop, too; a person must have asked for that.
        """

    def read(self) -> RobotState:
        """Newest state. Never blocks on the network; a dead link is a status, not an error.

        Raises DriverBroken where only a new process can help.
        """

    def send(self, command: Command) -> None:
        """Next setpoint. Raises ArmError when the command is not valid or the link is lost."""

    def hold(self, deceleration: float) -> None:
        """Decelerate [m/s^2 at the tool centre point] and hold; returns in bounded time."""

    def close(self) -> None:
        """Let go of the arm; returns in bounded time even when the peer is dead."""
