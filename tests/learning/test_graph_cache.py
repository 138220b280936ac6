"""A kept graph is the same graph; a damaged or foreign one is never used."""

import os

import numpy as np
import pytest

from dp_ros import paths
from dp_ros.learning import checkpoint, graph_cache
from dp_ros.learning.engines import make_engine
from dp_ros.learning.graph_cache import GRAPHS_KEPT, GraphCache
from dp_ros.paths import share


def never():
    raise AssertionError('exported although it was kept')


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'graphs'


def test_a_graph_is_exported_once_and_then_read(folder):
    assert GraphCache(folder, 'one')('step', lambda: b'graph') == b'graph'
    assert GraphCache(folder, 'one')('step', never) == b'graph'
    assert not list(folder.glob('.*')), 'a temporary file was left behind'


def test_other_graphs_policies_and_versions_are_others(folder, monkeypatch):
    GraphCache(folder, 'one')('step', lambda: b'graph')
    for identity, name in (('one', 'prepare'), ('two', 'step')):
        assert GraphCache(folder, identity)(name, lambda: b'other') == b'other'
    monkeypatch.setattr(graph_cache.onnxruntime, '__version__', '99.0')
    assert GraphCache(folder, 'one')('step', lambda: b'newer') == b'newer'
    monkeypatch.undo()
    monkeypatch.setattr(graph_cache, '_code', lambda: 'another digest')
    assert GraphCache(folder, 'one')('step', lambda: b'changed') == b'changed'
    monkeypatch.undo()
    assert GraphCache(folder, 'one')('step', never) == b'graph'


@pytest.mark.parametrize('damage', [lambda _: b'', lambda b: b[:-1], lambda b: b[:-1] + b'?'])
def test_a_damaged_graph_is_made_anew(folder, damage):
    cache = GraphCache(folder, 'one')
    cache('step', lambda: b'graph')
    (file,) = folder.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert cache('step', lambda: b'graph') == b'graph'
    assert cache('step', never) == b'graph'


def test_the_oldest_graphs_give_way(folder):
    cache = GraphCache(folder, 'one')
    for number in range(GRAPHS_KEPT + 2):
        cache(f'{number}', lambda: b'graph')
        for file in folder.iterdir():  # time goes on
            os.utime(file, ns=(0, file.stat().st_mtime_ns - 10**9))
    assert len(list(folder.iterdir())) == GRAPHS_KEPT
    assert cache(f'{GRAPHS_KEPT + 1}', never) == b'graph'


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / 'graphs').write_text('a file')
    assert GraphCache(tmp_path / 'graphs', 'one')('step', lambda: b'graph') == b'graph'


def test_a_policy_that_starts_from_kept_graphs_is_the_same(folder):
    loaded = checkpoint.load(share('models', 'pusht_gym'))
    keep = GraphCache(folder, loaded.identity)
    first = make_engine(loaded.policy, keep=keep)

    def read_only(name, export):
        return keep(name, never)

    second = make_engine(loaded.policy, keep=read_only)
    noise = np.random.default_rng(0).normal(size=first.noise_shape)
    window = np.full((2, 5), 250.0)
    np.testing.assert_array_equal(first.predict(window, noise), second.predict(window, noise))


def test_the_cache_is_where_the_user_has_it(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert paths.cache('graphs') == tmp_path / 'dp_ros' / 'graphs'
    for value in ('', 'relative/path'):  # to be ignored, says the specification
        monkeypatch.setenv('XDG_CACHE_HOME', value)
        monkeypatch.setenv('HOME', str(tmp_path / 'home'))
        assert paths.cache() == tmp_path / 'home' / '.cache' / 'dp_ros'
