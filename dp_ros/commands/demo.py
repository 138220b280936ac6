"""dp-ros demo: start the simulated cell's graph, run episodes, stop everything, tell."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dp_ros import bringup
from dp_ros.core.backoff import Backoff
from dp_ros.learning.checkpoint_folder import require_files
from dp_ros.ros_process import free_domain
from dp_ros.running import running
from dp_ros.sim import scene_feed
from dp_ros.sim.ur_controller import PORTS
from dp_ros.sim.ur_ports import is_free

GRAPH_START_S = 60.0
# Longest episode, and what one takes to draw.
EPISODE_S = 90.0


def run(
    out: Path,
    episodes: int,
    seed: int,
    video: bool,
    policy: str,
    checkpoint: Path | None,
    robot: Path | None,
    address: str | None,
    series: str,
    rate_hz: int,
    planning: Mapping[str, Any],
    console: Console,
) -> None:
    """Run the demo; raises GraphError or OSError with a sentence."""
    chosen = bringup.trained(checkpoint.resolve()) if checkpoint else bringup.shipped(policy)
    require_files(chosen.checkpoint)
    address = address or free_address()
    graph = bringup.demo(
        out,
        episodes,
        seed,
        video,
        policy=chosen,
        robot=robot.resolve() if robot else None,
        address=address,
        series=series,
        rate_hz=rate_hz,
        planning=planning,
    )
    domain = free_domain()
    (out / 'report.json').unlink(missing_ok=True)
    console.print(
        f'starting {", ".join(p.name for p in graph)}: a UR controller at {address}, '
        f'ROS_DOMAIN_ID={domain}; logs in {out / "logs"}'
    )

    def tell(text: str) -> None:
        console.print(Text(text, 'yellow'), soft_wrap=True)

    with running(graph, out / 'logs', domain, Backoff(), tell) as processes:
        processes.wait(GRAPH_START_S + episodes * EPISODE_S)
    report = json.loads((out / 'report.json').read_text(encoding='utf-8'))
    console.print(table(report))
    console.print(summary(report))
    made = [
        name for name in ('report.json', 'demo.mp4', 'trajectory.png') if (out / name).exists()
    ]
    console.print(
        f'everything has stopped; look at: {", ".join(str(out / name) for name in made)}'
    )


def free_address(last_bytes: Sequence[int] = range(2, 255)) -> str:
    """A loopback address whose controller ports nobody uses; OSError if there is none."""
    for last in last_bytes:
        address = f'127.0.0.{last}'
        if is_free(address, PORTS) and scene_feed.is_free(address):
            return address
    raise OSError(
        f'ports {", ".join(map(str, PORTS))} are taken on every address from '
        f'127.0.0.{last_bytes[0]} to 127.0.0.{last_bytes[-1]}; '
        'end what listens there (ss -ltnp), or give --address'
    )


def table(report: dict[str, Any]) -> Table:
    """The episodes as a table."""
    made = Table(title='Push-T in the simulated cell')
    for heading in ('seed', 'success', 'coverage', 'IoU', 'duration', 'ended'):
        made.add_column(heading, justify='left' if heading == 'ended' else 'right')
    for episode in report['episodes']:
        made.add_row(
            str(episode['seed']),
            'yes' if episode['success'] else 'no',
            f'{episode["coverage_max"]:.3f}',
            f'{episode["iou_last"]:.3f}',
            f'{episode["duration_s"]:.1f} s',
            episode['ending'],
        )
    return made


def summary(report: dict[str, Any]) -> str:
    """The figures that matter, in sentences."""
    chunk, executor = report['chunk'], report['executor']
    return (
        f'success {report["success_rate"]:.0%} (last IoU at least {report["success_iou"]}), '
        f'coverage above 0.95 in {report["coverage_rate"]:.0%}, '
        f'mean score {report["mean_score"]:.3f}\n'
        f'{chunk["count"]} chunks, from capture to schedule p50 {chunk["latency_ms"]["p50"]} ms, '
        f'p99 {chunk["latency_ms"]["p99"]} ms; executor {executor["rate_hz"]} Hz, '
        f'period p99 {executor["period_ms"]["p99"]} ms, idle {executor["idle_fraction"]:.1%}, '
        f'{executor["late_actions_dropped"]} chunks late, '
        f'{report["arm"]["protective_stops"]} protective stops'
    )
