"""The chunk benchmark: a short measurement is whole, and its tables say what was measured."""

import sys

import pytest

from benchmarks import chunk, chunk_setups
from benchmarks.chunk_cases import cases
from dp_ros.learning.graph_cache import anew


@pytest.fixture(scope='module')
def figures():
    setup = chunk_setups.on_a_cpu()
    return chunk.measure(setup, cases()[0], 'DDIM-8', 0.01, anew)


def test_a_measurement_has_all_contenders_and_they_agree(figures):
    setup = chunk_setups.on_a_cpu()
    assert figures['chunks'] == 3
    for name in setup.names:
        assert figures[name]['ratio_cpu'] > 0.5
        exact = 'bfloat16' not in name
        assert figures['largest_difference'][name] <= (1e-4 if exact else 0.1)
    row = setup.row(figures)
    assert len(row) == len(setup.headings)
    assert row[:3] == ['1.2 M U-Net', 'state', 'DDIM-8']


def test_the_table_of_a_gpu_tells_how_far_from_the_floor_it_is(figures, monkeypatch):
    monkeypatch.setattr(chunk_setups, 'bandwidth', lambda _: 1e12)
    monkeypatch.setattr(chunk_setups.torch.cuda, 'get_device_name', lambda _: 'GPU')
    setup = chunk_setups.on_a_gpu('cuda')
    spread = {'p50': 1.0, 'p99': 1.25, 'max': 2.0}
    times = {'wall_ms': spread, 'ratio_wall': 20.0}
    found = figures | dict.fromkeys(('reference', *setup.names), times)
    found |= {'parameters': 62_500_000, 'steps': 16}
    row = dict(zip(setup.headings, setup.row(found), strict=True))
    assert row['bfloat16'] == '1 / 1.25'
    assert row['ratios'] == '20.0 / 20.0 / 20.0'
    assert row['p99 / p50'] == '1.25 / 1.25 / 1.25'
    assert row['floor'] == '4'  # 16 times 250 MB at 1 TB/s
    assert row['over the floor'] == '0.2 / 0.2 / 0.2'  # impossible, but the arithmetic


def test_without_a_gpu_a_sentence_says_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['chunk', '--device', 'cuda'])
    monkeypatch.setattr(chunk.torch.cuda, 'is_available', lambda: False)
    with pytest.raises(SystemExit):
        chunk.main()
    assert 'torch sees no GPU' in capsys.readouterr().err
