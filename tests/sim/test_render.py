"""Rendering needs MUJOCO_GL before mujoco is imported, so it runs in a process of its own."""

import ctypes.util
import os
import subprocess
import sys

import av
import numpy as np
import pytest

from dp_ros.sim.video import write_video

needs_gl = pytest.mark.skipif(
    ctypes.util.find_library('OSMesa') is None, reason='no libosmesa6 on this machine'
)

DRAW = """
import sys
import numpy as np
from dp_ros.sim.cell import READY_JOINTS
from dp_ros.sim.render import SceneRenderer

chunk = np.array([[0.55 + 0.01 * k, -0.15] for k in range(8)])
trail = np.array([[0.30, -0.20], [0.40, -0.20], [0.40, -0.10]])
with SceneRenderer(320, 240) as renderer:
    plain = renderer.frame(READY_JOINTS, np.array([0.5, 0.1, 1.0]))
    marked = renderer.frame(READY_JOINTS, np.array([0.5, 0.1, 1.0]), chunk, trail)
    long = np.linspace([0.3, -0.2], [0.6, 0.2], 20000)
    renderer.frame(READY_JOINTS, np.array([0.5, 0.1, 1.0]), chunk, long)
np.save(sys.argv[1], [plain, marked])
"""


def draw(path, gl):
    environment = {**os.environ, 'MUJOCO_GL': gl}
    environment.pop('DISPLAY', None)
    return subprocess.run(
        [sys.executable, '-c', DRAW, str(path)],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@needs_gl
def test_a_frame_shows_the_t_the_goal_and_the_chunk(tmp_path):
    result = draw(tmp_path / 'frames.npy', 'osmesa')
    assert result.returncode == 0, result.stderr
    plain, marked = np.load(tmp_path / 'frames.npy')
    assert plain.shape == (240, 320, 3)
    assert plain.dtype == np.uint8
    red, green, blue = plain.astype(int).transpose(2, 0, 1)
    assert np.sum((blue > 120) & (blue > red + 80)) > 100, 'no blue T'
    assert np.sum((green > 120) & (green > red + 50) & (green > blue + 30)) > 50, 'no green goal'
    red, green, blue = marked.astype(int).transpose(2, 0, 1)
    changed = np.any(plain != marked, axis=2)
    assert np.sum(changed & (red > 150) & (red > blue + 80)) > 20, 'no chunk'


def colours(count, height=48, width=64):
    return [np.full((height, width, 3), (40 * i, 80, 120), np.uint8) for i in range(count)]


def test_a_video_holds_its_frames(tmp_path):
    path = tmp_path / 'some' / 'video.mp4'
    assert write_video(path, colours(5), rate_hz=10) == 5
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ('h264', 'yuv420p')
        assert float(stream.average_rate) == pytest.approx(10)
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(stream)]
    assert len(frames) == 5
    np.testing.assert_allclose(frames[3].mean((0, 1)), (120, 80, 120), atol=8)


def test_a_video_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / 'video.mp4'

    def broken():
        yield from colours(2)
        raise RuntimeError('camera lost')

    with pytest.raises(RuntimeError, match='camera lost'):
        write_video(path, broken(), rate_hz=10)
    with pytest.raises(ValueError, match='no frames'):
        write_video(path, [], rate_hz=10)
    with pytest.raises(ValueError, match='even sides'):
        write_video(path, colours(1, width=63), rate_hz=10)
    assert list(tmp_path.iterdir()) == []
