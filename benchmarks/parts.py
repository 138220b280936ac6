"""Processes of a benchmark's own, which say a line when something is done and wait for one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from benchmarks import report
from dp_ros.ros_process import environment

Part = subprocess.Popen[str]
# Frames that a publisher has ready.
DISTINCT = 30


@contextmanager
def part(
    module: str, arguments: Sequence[str], domain: int, variables: Mapping[str, str] | None = None
) -> Iterator[Part]:
    """`python -m benchmarks.<module> <arguments>` in this ROS domain; interrupted in the end.

    variables: its environment; None: that of a graph's processes.
    """
    given = {**os.environ, **environment()} if variables is None else dict(variables)
    given |= {'ROS_DOMAIN_ID': str(domain), 'PYTHONPATH': str(report.ROOT)}
    # A child must look for the libraries of the PyPI wheels itself.
    given.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    command = [sys.executable, '-m', f'benchmarks.{module}', *arguments]
    pipe = subprocess.PIPE
    # As a graph's processes (dp_ros/running.py): the system shares its time out by sessions.
    with subprocess.Popen(
        command, env=given, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()


def answer(process: Part, word: str) -> str:
    """The rest of the line that begins with `word`; RuntimeError if another one comes."""
    assert process.stdout is not None
    said = process.stdout.readline()
    if not said.startswith(word):
        raise RuntimeError(f'expected {word!r} of {process.args}, found {said!r}')
    return said.removeprefix(word).strip()


def say(process: Part, line: str) -> None:
    """Send a line."""
    assert process.stdin is not None
    process.stdin.write(f'{line}\n')
    process.stdin.flush()


def frames(width: int, height: int) -> Iterator[bytes]:
    """Smooth colours (height, width, 3) that drift, with the noise of a sensor (sigma 4)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    for i in range(DISTINCT):
        waves = [np.sin((x + 2 * i) / 37 + c) + np.cos((y - i) / 53 - c) for c in range(3)]
        noise = rng.normal(0, 4, (height, width, 3))
        yield np.clip(128 + 50 * np.stack(waves, axis=-1) + noise, 0, 255).astype('u1').tobytes()
