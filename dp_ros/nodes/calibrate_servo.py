"""The calibrate_servo process: moves the tip in a small wave and records how the arm follows."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from dp_ros import atomic
from dp_ros.core import servo_lag
from dp_ros.core.stamped import Array
from dp_ros.data import messages
from dp_ros.nodes import process, topics
from dp_ros.nodes.calls import CallError
from dp_ros.nodes.parameters import declare
from dp_ros.nodes.waving import WavingNode


class CalibrateServoNode(WavingNode):
    """Collects what was sent to the arm beside where it was."""

    def __init__(self) -> None:
        super().__init__('calibrate_servo')
        self.seconds = declare(self, 'seconds', 10.0, 'length of the motion [s]', (5.0, 120.0))
        self.out = declare(self, 'out', '', 'file for the figures (JSON)')
        self.commands: list[tuple[int, Array]] = []
        # Of the simulated cell; a real arm has no other time than ours.
        self.real_time_factor = 1.0
        command, spoken = topics.CARTESIAN_COMMAND, topics.DIAGNOSTICS
        self.create_subscription(spoken.type, spoken.name, self._on_diagnostics, spoken.qos)
        self.create_subscription(command.type, command.name, self._on_command, command.qos)

    def _on_command(self, message: Any) -> None:
        if self.recording:
            sample = messages.pose_sample(message)
            self.commands.append((sample.stamp_ns, sample.value))

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name == 'sim' and 'real_time_factor' in values:
                self.real_time_factor = float(values['real_time_factor'])


def measure(node: CalibrateServoNode) -> None:
    """The whole measurement; writes the figures and what they were found from."""
    node.wait_for_streams()
    node.move(node.seconds)
    sides = [_columns(rows) for rows in (node.commands, node.poses)]
    (told, commands), (known, poses) = sides
    found = servo_lag.measure(told, commands, known, poses)
    start = min(told[0], known[0])
    figures = {
        'lag_s': round(found.lag_s, 4),
        'amplitude': round(found.amplitude, 4),
        'residual_m': round(found.residual, 6),
        'real_time_factor': node.real_time_factor,
        'agreement': round(found.agreement, 4),
        **{
            name: {
                'seconds': [round((stamp - start) / 1e9, 6) for stamp in stamps.tolist()],
                'positions_m': np.round(positions, 6).tolist(),
            }
            for name, (stamps, positions) in zip(('commands', 'states'), sides, strict=True)
        },
    }
    atomic.write_text(Path(node.out), json.dumps(figures) + '\n')


def _columns(rows: list[tuple[int, Array]]) -> tuple[servo_lag.Stamps, Array]:
    """Stamps (n,) and positions (n, 3), rising in time."""
    stamps = np.array([stamp for stamp, _ in rows], dtype=np.int64)
    positions = np.array([pose[:3] for _, pose in rows]).reshape(-1, 3)
    order = np.argsort(stamps, kind='stable')
    return stamps[order], positions[order]


def main() -> None:
    """Run the process; exits with 1 and a sentence where it cannot be measured."""
    process.foreground(CalibrateServoNode, measure, (CallError, ValueError, OSError))


if __name__ == '__main__':
    main()
