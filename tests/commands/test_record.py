"""dp-ros record as a person sits before it: a terminal, a recorder's process, keys."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from dp_ros.data import episode as episodes
from dp_ros.data.bag_repair import needs_repair

pytestmark = pytest.mark.timeout(120)
ECHO = 3  # index of the local modes in what tcgetattr returns


class Terminal:
    """`dp-ros record` in a terminal of its own."""

    def __init__(self, out, domain):
        self._master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        command = [sys.executable, '-m', 'dp_ros.cli', 'record', '--task', 'pusht_cell']
        command += ['--robot', 'ur5e_sim', '--operator', 'ann', '-o', str(out), '--partial']
        self.process = subprocess.Popen(
            command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'COLUMNS': '160'},
        )
        self.said = ''

    def press(self, key):
        os.write(self._master, key.encode())

    def expect(self, text, timeout_s=40):
        """Read until `text` was said; what was said before it is forgotten."""
        deadline = time.monotonic() + timeout_s
        while text not in self.said:
            assert time.monotonic() < deadline, f'{text!r} was not said; but {self.said[-2000:]}'
            self._read()
        self.said = self.said.partition(text)[2]

    def ends(self, timeout_s=30):
        """Its exit code."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read()
        return self.process.wait(1)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.ends()
        os.close(self.slave)
        os.close(self._master)

    def _read(self):
        if select.select([self._master], [], [], 0.1)[0]:
            text = os.read(self._master, 65536).decode(errors='replace')
            self.said += re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', text)


@pytest.fixture
def terminal(tmp_path, domain):
    with contextlib.closing(Terminal(tmp_path / 'out', domain)) as opened:
        yield opened


def test_keys_begin_end_and_throw_away_episodes_and_the_terminal_is_as_before(terminal, tmp_path):
    terminal.expect('ready  |')
    terminal.expect('space start')
    assert not termios.tcgetattr(terminal.slave)[ECHO] & termios.ECHO
    terminal.press('s')
    terminal.expect('no episode is being recorded')
    terminal.press(' ')
    terminal.expect('● recording episode_0001')
    terminal.press('f')
    terminal.expect('episode_0001: failure')
    terminal.expect('ready  |')
    terminal.press('r')
    terminal.expect('● recording episode_0002')
    terminal.press('x')
    terminal.expect('episode_0002 moved to')
    terminal.press('r')
    terminal.expect('● recording episode_0003')
    terminal.press('q')
    assert terminal.ends() == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before
    out = tmp_path / 'out'
    told = {i: episodes.load(out / f'episode_000{i}') for i in (1, 3)}
    assert {i: t.outcome for i, t in told.items()} == {1: 'failure', 3: 'unknown'}
    assert told[1].operator == 'ann'
    assert (out / 'trash' / 'episode_0002').is_dir()
    assert not needs_repair(out / 'episode_0003')


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_ends_episode_and_terminal_in_order(terminal, tmp_path, number, code):
    terminal.expect('ready  |')
    terminal.press(' ')
    terminal.expect('● recording episode_0001')
    terminal.process.send_signal(number)
    assert terminal.ends() == code
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert episodes.load(tmp_path / 'out' / 'episode_0001').note == 'the recorder was stopped'
    assert not needs_repair(tmp_path / 'out' / 'episode_0001')


def test_a_recorder_that_dies_is_a_sentence_and_the_terminal_is_as_before(terminal):
    terminal.expect('ready  |')
    os.kill(child_of(terminal.process.pid), signal.SIGKILL)
    terminal.expect('error: the recorder ended with code -9')
    assert terminal.ends() == 1
    assert termios.tcgetattr(terminal.slave) == terminal.before


def child_of(pid):
    """The recorder's process id."""
    (child,) = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    return int(child)


def test_without_a_terminal_one_episode_is_recorded(tmp_path, domain):
    command = [sys.executable, '-m', 'dp_ros.cli', 'record', '--task', 'pusht_cell']
    command += [
        '--robot',
        'ur5e_sim',
        '-o',
        str(tmp_path / 'out'),
        '--seconds',
        '2.5',
        '--partial',
    ]
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('recording episode_0001') >= 2
    told = episodes.load(tmp_path / 'out' / 'episode_0001')
    assert (told.ended_ns - told.started_ns) / 1e9 > 2.4
    assert re.fullmatch(r'([0-9a-f]{40}(\+dirty)?)?', told.revision)


def test_a_task_that_is_no_file_is_a_sentence(fails):
    assert 'neither a file nor one of' in fails('record', '--task', 'x', '--robot', 'ur5e_sim')
