"""What the system grants and refuses; each case in a process of its own, which it changes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dp_ros.nodes import realtime
from dp_ros.paths import share
from dp_ros.ros_process import Process

# Root without the two capabilities is as any other user.
LIMITED = ['setpriv', '--bounding-set=-sys_nice,-ipc_lock']
only_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which('setpriv'), reason='only root can give up capabilities'
)
ASK = """
import json, os, sys, threading
sys.path.insert(0, sys.argv[1])
from dp_ros.nodes import realtime
from pathlib import Path
end = threading.Event()
early = threading.Thread(target=end.wait)
early.start()
granted = realtime.request('auto', 20)
late = threading.Thread(target=end.wait)
late.start()
tasks = [int(path.name) for path in Path('/proc/self/task').iterdir()]
found = {
    'given': granted.given, 'refused': granted.refused, 'fifo': granted.fifo,
    'scheduler': [os.sched_getscheduler(task) for task in tasks],
    'priority': [os.sched_getparam(task).sched_priority for task in tasks],
    'flags': [line for line in open('/proc/self/smaps') if line.startswith('VmFlags')],
}
if granted.fifo:
    realtime.put_first(late.native_id, 21)
    found['first'] = os.sched_getparam(late.native_id).sched_priority
end.set()
print(json.dumps(found))
"""


def ask(*prefix):
    command = [*prefix, sys.executable, '-c', ASK, str(Path(realtime.__file__).parents[2])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_thread_gets_what_is_granted():
    found = ask()
    if not found['fifo']:
        pytest.skip(f'not permitted here: {found["refused"]}')
    assert set(found['scheduler']) == {os.SCHED_FIFO}
    assert set(found['priority']) == {20}
    assert len(found['priority']) == 3
    assert found['first'] == 21
    locked = [' lo' in flags for flags in found['flags']]
    assert ('locked memory' in found['given']) == (sum(locked) > len(locked) / 2)
    assert len(found['given']) + len(found['refused']) == 2


@only_root
def test_a_user_without_rights_is_told_how_to_get_them():
    found = ask(*LIMITED)
    assert found['given'] == []
    assert set(found['scheduler']) == {os.SCHED_OTHER}
    scheduling, memory = found['refused']
    assert 'SCHED_FIFO 20' in scheduling
    assert 'rtprio 98' in scheduling
    assert 'memlock unlimited' in memory
    assert realtime.LIMITS in memory


@only_root
def test_an_executor_that_requires_it_ends_with_that_sentence(domain):
    files = {'task': share('config', 'tasks', 'pusht_cell.yaml')}
    files['robot'] = share('config', 'robots', 'ur5e_sim.yaml')
    executor = Process('executor', {**files, 'realtime': 'require'})
    command = [*LIMITED, *executor.command()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == os.EX_CONFIG
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith('dp_ros: realtime is required; no real-time scheduling')
    assert 'Traceback' not in done.stderr


def test_off_asks_for_nothing():
    assert realtime.request('off', 20) == realtime.Granted()
    assert realtime.Granted().text == 'none'


def test_a_choice_that_is_none_is_a_sentence():
    with pytest.raises(ValueError, match=r"'yes', expected one of: off, auto, require"):
        realtime.request('yes', 20)
