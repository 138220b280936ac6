"""Many bags to one set: whole or not at all, the same however it came about."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dp_ros import yamlfile
from dp_ros.data import dataset_build, dataset_part, recordings, replay_buffer
from dp_ros.data.audit import load_thresholds
from dp_ros.data.bag import open_bag
from dp_ros.data.dataset_build import parts_folder
from dp_ros.data.dataset_part import Choices
from dp_ros.data.episode_steps import CommandedBy, Tally, steps
from dp_ros.data.frames import FrameStore
from dp_ros.data.provenance import PROVENANCE
from dp_ros.data.replay_buffer import DatasetError
from dp_ros.data.task_pools import PoolError, Processes
from dp_ros.paths import share
from dp_ros.task import Task
from tests.data import drawn_bags
from tests.data.cameras import FAR, NEAR, task

SEEN, ROBOT = task(NEAR, FAR), drawn_bags.robot(NEAR, FAR)
CHOICES = Choices(SEEN, ROBOT, CommandedBy.anyone)
HANDOVER = ((0.0, 'teleoperated'), (0.95, 'policy'))
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def bags(tmp_path_factory):
    """Three bags: of one, of two and of one episodes."""
    folder = tmp_path_factory.mktemp('recordings')
    return [
        drawn_bags.record(folder / 'a', SEEN, ROBOT, 1.5),
        drawn_bags.record(folder / 'b', SEEN, ROBOT, 2.0, HANDOVER),
        drawn_bags.record(folder / 'ç 三', SEEN, ROBOT, 1.8),
    ]


def build(bags, out, choices=CHOICES, workers=1):
    """The parts of the set that is written."""
    jobs = dataset_build.jobs(bags, out, choices)
    parts = dataset_build.without_copies(make_parts(jobs, Processes(workers)))
    dataset_build.merge(jobs, parts, out, lambda _: None)
    return parts


def make_parts(jobs, pool):
    """The parts in the order of their jobs."""
    return [part for _, part in sorted(dataset_build.make_parts(jobs, pool), key=lambda m: m[0])]


def content(folder):
    """Path -> bytes of every file of a set."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob('*') if f.is_file()}


def test_a_set_holds_the_steps_of_its_bags_and_says_whose_they_are(bags, tmp_path):
    out = tmp_path / 'sets' / 'set'
    parts = build(bags, out)
    assert [len(part.stretches) for part in parts] == [1, 2, 1]
    known = recordings.read([out], SEEN, extra=('operator', 'stamp'))
    assert [len(episode) for episode in known.episodes] == [12, 7, 9, 15]
    taken = []
    for bag in bags:
        with open_bag(bag) as opened:
            taken += steps(opened, SEEN, ROBOT, CommandedBy.anyone, Tally())
    states, actions, stamps, operator = replay_buffer.arrays(
        out, 'data/state', 'data/action', 'data/stamp', 'data/operator'
    )
    np.testing.assert_array_equal(states, np.float32([step.state for step in taken]))
    np.testing.assert_array_equal(actions, np.float32([step.action for step in taken]))
    assert stamps.dtype == np.int64
    assert stamps.tolist() == [step.stamp_ns for step in taken]
    assert operator.tolist() == [step.mode == 'teleoperated' for step in taken]
    for camera in (NEAR, FAR):
        frames = FrameStore([out], camera).read(np.arange(len(taken)))
        np.testing.assert_array_equal(frames, [step.frames[camera.name] for step in taken])
    said = json.loads((out / '.zattrs').read_text(encoding='utf-8'))[PROVENANCE]
    assert [Path(episode['bag']).name for episode in said['episodes']] == ['a', 'b', 'b', 'ç 三']
    assert [episode['steps'] for episode in said['episodes']] == [12, 7, 9, 15]
    assert said['task']['name'] == SEEN.name
    assert not parts_folder(out).exists()
    assert [path.name for path in out.parent.iterdir()] == ['set']


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'rate_hz': 20.0}, 'rate_hz: 10.0 against 20.0'),
        ({'action': 'y, x'}, r"action.components\[0\]: 'x' against 'y'"),
        ({'observations': 'y, x'}, r"observations\[0\].components\[0\]: 'x' against 'y'"),
    ],
)
def test_a_set_is_not_read_as_that_of_a_task_whose_columns_mean_something_else(
    bags, tmp_path, change, words
):
    """A policy that learned so would be let on the robot: it was trained with the new task."""
    build(bags[:1], tmp_path / 'set')
    given = SEEN.model_dump(mode='json')
    for name, value in change.items():
        if name == 'rate_hz':
            given[name] = value
        else:
            part = given['action'] if name == 'action' else given['observations'][0]
            part['components'] = value.split(', ')
    with pytest.raises(DatasetError, match=f'was built for other .*{words}.* dataset build'):
        recordings.read([tmp_path / 'set'], yamlfile.parse(Task, given, 'test'))
    given = SEEN.model_dump(mode='json') | {'name': 'other', 'description': 'the same rows'}
    given['horizons']['action'] = 1
    recordings.read([tmp_path / 'set'], yamlfile.parse(Task, given, 'test'))


def test_more_steps_than_a_block_are_not_lost(tmp_path):
    plain = task()
    robot = drawn_bags.robot()
    bag = drawn_bags.record(tmp_path / 'bag', plain, robot, 15.0)
    build([bag], tmp_path / 'set', Choices(plain, robot))
    (episode,) = replay_buffer.read(tmp_path / 'set')
    assert len(episode) == 147 > 2 * dataset_part.BLOCK
    seconds = 0.2 + 0.1 * np.arange(147)
    np.testing.assert_allclose(episode.state.T, drawn_bags.tip(seconds), atol=1e-6)
    np.testing.assert_allclose(episode.action.T, drawn_bags.commanded(seconds + 0.1), atol=1e-6)


BUILD = """
import sys
from pathlib import Path

if __name__ == '__main__':
    from tests.data import test_dataset_build as tests

    tests.build([Path(bag) for bag in sys.argv[3:]], Path(sys.argv[1]), workers=int(sys.argv[2]))
"""


def start(tmp_path, out, workers, bags, **options):
    """A build in a process of its own."""
    (tmp_path / 'build.py').write_text(BUILD)
    arguments = [sys.executable, tmp_path / 'build.py', out, workers, *bags]
    return subprocess.Popen(
        [str(argument) for argument in arguments],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_build_that_was_killed_goes_on_and_ends_with_the_same_bytes(bags, tmp_path):
    many = [*bags, *(shutil.copytree(bags[1], tmp_path / f'copy{i}') for i in range(6))]
    whole, out = tmp_path / 'whole', tmp_path / 'set'
    build(many, whole)
    killed = start(tmp_path, out, 2, many, start_new_session=True)
    until(lambda: len(list(parts_folder(out).glob('*/part.json'))) >= 2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    # Its workers end, though nobody told them to.
    until(lambda: not alive(killed.pid))
    made = {path: path.stat().st_mtime_ns for path in parts_folder(out).glob('*/part.json')}
    assert not out.exists()
    assert len(made) >= 2
    jobs = dataset_build.jobs(many, out, CHOICES)
    parts = make_parts(jobs, Processes(1))
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in made.items())
    dataset_build.merge(jobs, parts, out, lambda _: None)
    assert content(out) == content(whole)
    assert not parts_folder(out).exists()


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_bag_that_changed_or_is_read_otherwise_is_made_anew(bags, tmp_path):
    bag = shutil.copytree(bags[0], tmp_path / 'bag')
    known = dataset_part.identity(bag, CHOICES)
    assert known == dataset_part.identity(bag, CHOICES)
    other = Choices(SEEN, ROBOT, CommandedBy.policy)
    audited = Choices(
        SEEN, ROBOT, CommandedBy.anyone, load_thresholds(share('config', 'audit.yaml'))
    )
    assert (
        len({known, dataset_part.identity(bag, other), dataset_part.identity(bag, audited)}) == 3
    )
    os.utime(bag / 'a.mcap', (0, 0))
    assert dataset_part.identity(bag, CHOICES) != known


def shorten(file):
    file.write_bytes(file.read_bytes()[:-1])


DAMAGES = {
    'a record that was cut off': lambda part: shorten(part / dataset_part.RECORD),
    'an array that was cut off': lambda part: shorten(part / 'steps' / 'data' / 'state' / '0.0'),
    'a frame that is gone': lambda part: (part / 'steps/data/near/3.0.0.0').unlink(),
    'no replay buffer': lambda part: shutil.rmtree(part / 'steps'),
}


@pytest.mark.parametrize('damage', DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_part_is_made_anew_and_no_other(bags, tmp_path, damage):
    jobs = dataset_build.jobs(bags[:2], tmp_path / 'set', CHOICES)
    parts = make_parts(jobs, Processes(1))
    before = [content(job.part) for job in jobs]
    stamps = [(job.part / dataset_part.RECORD).stat().st_mtime_ns for job in jobs]
    damage(jobs[0].part)
    assert make_parts(jobs, Processes(1)) == parts
    assert [content(job.part) for job in jobs] == before
    again = [(job.part / dataset_part.RECORD).stat().st_mtime_ns for job in jobs]
    assert (again[0] > stamps[0], again[1]) == (True, stamps[1])


def test_a_part_on_the_disk_of_another_machine_is_named(bags, tmp_path):
    def elsewhere(function, tasks):
        for index, job in enumerate(tasks):
            part = function(job)
            shutil.rmtree(job.part)
            yield index, part

    jobs = dataset_build.jobs(bags[:1], tmp_path / 'set', CHOICES)
    with pytest.raises(DatasetError, match=f'{jobs[0].part} is not here: bags and set must lie'):
        make_parts(jobs, elsewhere)


def test_a_bag_that_a_machine_does_not_see_ends_the_build(bags, tmp_path):
    bag = shutil.copytree(bags[0], tmp_path / 'bag')
    jobs = dataset_build.jobs([bag], tmp_path / 'set', CHOICES)
    shutil.rmtree(bag)
    with pytest.raises(FileNotFoundError, match='does not see it'):
        make_parts(jobs, Processes(1))


def test_a_pool_that_fails_keeps_the_parts(bags, tmp_path):
    def fails(function, tasks):
        yield 0, function(tasks[0])
        raise PoolError('there is no memory')

    jobs = dataset_build.jobs(bags[:2], tmp_path / 'set', CHOICES)
    with pytest.raises(DatasetError, match='no memory: the parts that are made are kept'):
        make_parts(jobs, fails)
    assert (jobs[0].part / dataset_part.RECORD).exists()


FULL = """
import resource, signal, sys
from pathlib import Path
from dp_ros.data import dataset_build
from tests.data import test_dataset_build as tests

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
out = Path(sys.argv[2])
try:
    tests.build([Path(bag) for bag in sys.argv[3:]], out)
except OSError as error:
    print(dataset_build.disk_refused(error, out))
"""


def test_a_full_disk_leaves_no_set_and_room_lets_it_go_on(bags, tmp_path):
    out = tmp_path / 'set'
    # Room for headers, not for frames.
    ran = subprocess.run(
        [sys.executable, '-c', FULL, '500', out, bags[0]],
        capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f'{out} was not written: File too large. The parts')
    assert 'make room and run it again' in ran.stdout
    assert not out.exists()
    assert not list(parts_folder(out).glob('*/steps'))
    build(bags[:1], out)
    assert len(replay_buffer.read(out)) == 1


def test_a_disk_that_fills_at_the_end_keeps_the_parts_and_the_old_set(bags, tmp_path, monkeypatch):
    out = tmp_path / 'set'
    build(bags[:1], out)
    before = content(out)

    def full(self, rows):
        raise OSError(28, 'No space left on device')

    jobs = dataset_build.jobs(bags, out, CHOICES)
    parts = make_parts(jobs, Processes(1))
    with monkeypatch.context() as patched:
        patched.setattr(replay_buffer.StoreWriter, 'append', full)
        with pytest.raises(OSError, match='No space left') as raised:
            dataset_build.merge(jobs, parts, out, lambda _: None)
    assert 'make room' in str(dataset_build.disk_refused(raised.value, out))
    assert content(out) == before
    assert len(list(parts_folder(out).iterdir())) == 3
    build(bags, out)
    assert len(replay_buffer.read(out)) == 4


def test_a_folder_that_is_no_data_set_is_not_replaced(bags, tmp_path):
    with pytest.raises(DatasetError, match='exists and is no data set'):
        dataset_build.jobs(bags, bags[0].parent, CHOICES)
    assert len(dataset_build.jobs(bags, tmp_path / 'free', CHOICES)) == 3


def test_a_bag_that_cannot_be_used_is_left_out_with_the_reason(bags, tmp_path):
    broken = shutil.copytree(bags[0], tmp_path / 'broken')
    file = broken / 'a.mcap'
    file.write_bytes(file.read_bytes()[:2000])
    idle = drawn_bags.record(tmp_path / 'idle', SEEN, ROBOT, 0.5, ((0.0, 'holding'),))
    short = drawn_bags.record(
        tmp_path / 'short', SEEN, ROBOT, 1.0, ((0.0, 'holding'), (0.55, 'policy'), (0.75, 'idle'))
    )
    untold = drawn_bags.record(
        tmp_path / 'untold', SEEN, ROBOT, 0.5, ((0.0, 'holding'), (10.0, 'idle')),
        keep=lambda topic, at: topic != '/executor/mode' or at > 5,
    )  # fmt: skip
    parts = build([broken, idle, bags[0], short, untold], tmp_path / 'set')
    assert [len(part.stretches) for part in parts] == [0, 0, 1, 0, 0]
    why = [' '.join(part.why_left_out) for part in parts]
    assert 'broken cannot be opened' in why[0]
    assert 'no step was commanded; its modes are holding 0.5 s; record another' in why[1]
    assert 'there are no two steps in a row that were commanded' in why[3]


def test_one_mode_asked_for_and_another_found_names_the_option(bags, tmp_path):
    choices = Choices(SEEN, ROBOT, CommandedBy.policy)
    jobs = dataset_build.jobs(bags[:1], tmp_path / 'set', choices)
    (part,) = make_parts(jobs, Processes(1))
    (why,) = part.why_left_out
    assert 'no step was commanded by a policy; its modes are teleoperated 1.5 s' in why
    assert why.endswith('take it with --commanded-by teleoperated or anyone')
    with pytest.raises(DatasetError, match='no episode to write'):
        dataset_build.merge(jobs, [part], tmp_path / 'set', lambda _: None)


def test_the_audit_leaves_out_what_it_complains_of_and_copies(bags, tmp_path):
    thresholds = load_thresholds(share('config', 'audit.yaml'))
    audited = Choices(SEEN, ROBOT, CommandedBy.anyone, thresholds)
    failed = drawn_bags.record(tmp_path / 'failed', SEEN, ROBOT, 1.7, outcome='failure')
    copy = shutil.copytree(bags[0], tmp_path / 'copy')
    parts = build([bags[0], failed, copy], tmp_path / 'set', audited)
    assert [len(part.stretches) for part in parts] == [1, 0, 0]
    assert 'outcome failure' in parts[1].why_left_out[0]
    assert 'the same samples as' in parts[2].why_left_out[0]
    parts = build([bags[0], failed, copy], tmp_path / 'forced')
    assert [len(part.stretches) for part in parts] == [1, 1, 1]


LARGE = """
import resource, sys
from pathlib import Path
import numpy as np
from tests.data import test_dataset_build as tests
from tests.data import drawn_bags
from tests.data.cameras import task
from dp_ros.data.dataset_part import Choices
from dp_ros.task import ImageStream

camera = ImageStream(type='image', name='near', width=640, height=480, size=(640, 480))
seen, robot = task(camera), drawn_bags.robot(camera)
drawn_bags.frame = lambda camera, number: np.full((480, 640, 3), 20 + number % 200, np.uint8)
root = Path(sys.argv[1])
for seconds in (3, 12):
    bag = drawn_bags.record(root / f'bag{seconds}', seen, robot, seconds)
    (part,) = tests.build([bag], root / f'set{seconds}', Choices(seen, robot))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print((bag / f'{bag.name}.mcap').stat().st_size, part.steps, peak)
"""


def test_memory_does_not_grow_with_the_bag(tmp_path):
    ran = subprocess.run(
        [sys.executable, '-c', LARGE, tmp_path],
        capture_output=True, text=True, cwd=ROOT, timeout=110,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    short, long = (list(map(int, line.split())) for line in ran.stdout.splitlines())
    frame = 480 * 640 * 3
    assert long[0] - short[0] == pytest.approx(9 * 30 * frame, rel=0.01)
    assert (short[1], long[1]) == (27, 117)
    # Neither the bag nor the frames that are taken of it are held.
    assert long[2] - short[2] < (long[1] - short[1]) * frame * 3 / 4
