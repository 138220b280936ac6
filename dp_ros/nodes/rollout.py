"""The rollout process: conducts episodes, prints a line for each, writes the report."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from dp_ros import __version__, atomic
from dp_ros.learning import checkpoint
from dp_ros.nodes import process
from dp_ros.nodes.calls import CallError
from dp_ros.nodes.conductor import ConductorError, ConductorNode
from dp_ros.paths import share
from dp_ros.sim import demo_report
from dp_ros.sim.episode_record import EpisodeRecord
from dp_ros.sim.score import load_score

REPORTED = ('torch', 'numpy', 'mujoco', 'ur-rtde')


def main() -> None:
    """Run the rollout process; exits with 1 and a sentence where the graph does not answer."""
    process.foreground(ConductorNode, conduct, (ConductorError, CallError, ValueError, OSError))


def conduct(node: ConductorNode) -> None:
    """All episodes, then the report and the pictures."""
    out = Path(node.out)
    score = load_score(share('config', 'score.yaml'))
    loaded = checkpoint.load(Path(node.checkpoint))
    records: list[EpisodeRecord] = []
    for number in range(node.episodes):
        record = node.run_episode(node.first_seed + number, score.success_iou)
        records.append(record)
        line = demo_report.line(record.summary(score.success_iou))
        print(f'episode {number + 1}/{node.episodes}: {line}', flush=True)
    report: dict[str, Any] = demo_report.build(
        records, node.chunks, node.executor_values, node.sim_values, score
    )
    report['checkpoint'] = {'name': loaded.name, 'identity': loaded.identity}
    report['versions'] = versions()
    atomic.write_text(out / 'report.json', demo_report.as_json(report))
    if node.video:
        from dp_ros.sim import pictures

        pictures.draw_trajectory(out / 'trajectory.png', records)
        cameras = [camera.name for camera in loaded.task.cameras]
        pictures.film(out / 'demo.mp4', records, cameras)


def versions() -> dict[str, str]:
    """What the figures were measured with."""
    found = {name: importlib.metadata.version(name) for name in REPORTED}
    ros = os.environ.get('ROS_DISTRO') or f'PyPI, rclpy {importlib.metadata.version("ros-rclpy")}'
    return {'dp_ros': __version__, **found, 'python': platform.python_version(), 'ros': ros}


if __name__ == '__main__':
    main()
