"""Tasks on processes and on Ray: the same results, whichever does them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dp_ros.data.task_pools import PoolError, Processes
from tests.data.test_dataset_build import CHOICES, bags, build, content  # noqa: F401

ROOT = Path(__file__).parents[2]


def half(number):
    if number == 13:
        raise OSError(28, 'No space left on device')
    if number == 17:
        os._exit(1)
    return number / 2


@pytest.mark.parametrize('workers', [1, 2])
def test_every_task_gives_its_result_once(workers):
    assert sorted(Processes(workers)(half, range(6))) == [(i, i / 2) for i in range(6)]


@pytest.mark.parametrize('workers', [1, 2])
def test_what_a_task_raises_is_raised_here(workers):
    with pytest.raises(OSError, match='No space'):
        list(Processes(workers)(half, [1, 13, 2]))


def test_a_process_that_dies_is_a_sentence():
    with pytest.raises(PoolError, match='fewer --workers'):
        list(Processes(2)(half, [1, 17, 2]))


ON_RAY = """
import sys
from pathlib import Path

from dp_ros.data import dataset_build
from dp_ros.data.task_pools import PoolError, Ray
from tests.data.test_dataset_build import CHOICES
from tests.data.test_task_pools import half

out, *bags = map(Path, sys.argv[1:])
jobs = dataset_build.jobs(bags, out, CHOICES)
print(*sorted(index for index, _ in dataset_build.make_parts(jobs, Ray('local', 2))))
try:
    list(Ray('local', 2)(half, [1, 13, 2]))
except OSError as error:
    print(error.strerror)
for address in ('auto', '127.0.0.1:9'):
    try:
        list(Ray(address, 1)(half, [1]))
    except PoolError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ray_builds_the_same_set_and_goes_on_where_a_build_stopped(bags, tmp_path):  # noqa: F811
    pytest.importorskip('ray', reason="Ray is not installed: pip install 'dp_ros[ray]'")
    from dp_ros.data import dataset_build, dataset_part

    whole, out = tmp_path / 'whole', tmp_path / 'set'
    build(bags, whole)
    jobs = dataset_build.jobs(bags, out, CHOICES)
    first = [dataset_part.make(job) for job in jobs[:2]]
    records = [job.part / dataset_part.RECORD for job in jobs]
    stamps = [record.stat().st_mtime_ns for record in records[:2]]
    next(jobs[1].part.glob('steps/data/near/3.0.0.0')).unlink()
    said = python('-c', ON_RAY, out, *bags).splitlines()
    assert said[:2] == ['0 1 2', 'No space left on device']
    assert "Ray at 'auto' does not do it" in said[2]
    assert "Ray at '127.0.0.1:9' does not do it: [Errno 111] Connection refused" in said[-1]
    again = [record.stat().st_mtime_ns for record in records]
    assert (again[0], again[1] > stamps[1]) == (stamps[0], True)
    parts = [dataset_part.make(job) for job in jobs]
    assert parts[:2] == first
    dataset_build.merge(jobs, parts, out, lambda _: None)
    assert content(out) == content(whole)

    command = ('-m', 'dp_ros.cli', 'dataset', 'build', *bags, '-o', tmp_path / 'by_ray')
    python(*command, '--ray', 'local', '--force', '--commanded-by', 'anyone')
    assert content(tmp_path / 'by_ray') == content(whole)


def python(*arguments):
    ran = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
