"""Episodes as records, and the report made of them."""

import json

import numpy as np
import pytest

from dp_ros.sim import demo_report, pusht
from dp_ros.sim.episode_record import EpisodeRecord, Track
from dp_ros.sim.score import Score

SECOND = 1_000_000_000
SCORE = Score(success_iou=0.93, lowest_iou=0.84)


def record_of(tips, block=pusht.GOAL_POSE):
    record = EpisodeRecord(seed=3, started_ns=0, ended_ns=len(tips) * SECOND // 10)
    for i, tip in enumerate(tips):
        record.tip.add(i * SECOND // 10, np.array([*tip, 0.005, 0, 0, 0, 1.0]))
        record.block.add(i * SECOND // 10, np.asarray(block))
    record.score()
    return record


def test_a_track_gives_the_newest_row_not_after():
    track = Track()
    assert track.at(5) is None
    for stamp in (10, 20, 30):
        track.add(stamp, np.array([stamp]))
    assert [int(track.at(t)[0]) for t in (5, 10, 19, 20, 99)] == [10, 10, 10, 20, 30]
    assert track.between(10, 20).ravel().tolist() == [10, 20]


def test_rest_needs_a_whole_span_of_stillness():
    still = record_of([(0.4, 0.1)] * 50)
    assert still.rests(49 * SECOND // 10, 3.0)
    assert not still.rests(29 * SECOND // 10, 3.0)  # the episode is younger than the span
    moving = record_of([(0.4 + 0.001 * i, 0.1) for i in range(50)])
    assert not moving.rests(49 * SECOND // 10, 3.0)


def test_success_is_the_last_iou():
    assert record_of([(0.4, 0.1)]).summary(0.93)['success'] is True
    off = pusht.GOAL_POSE + np.array([0.02, 0, 0])
    summary = record_of([(0.4, 0.1)], off).summary(0.93)
    assert summary['success'] is False
    assert summary['score'] == pytest.approx(pusht.coverage(off) / 0.95, abs=1e-3)


def test_the_report_counts_only_chunks_that_both_ends_have_told_of():
    chunks = {
        1: {'window_ms': 10.0, 'inference_ms': 20.0, 'transport_ms': 1.0},
        2: {'window_ms': 12.0, 'inference_ms': 24.0},
    }
    executor = {
        'policy_ticks': '1000',
        'idle_ticks': '10',
        'rate_hz': '124.9',
        'chunks_late': '2',
        'limited_speed': '7',
        'driver': 'ur',
        'address': '127.0.0.2',
    }
    report = demo_report.build([record_of([(0.4, 0.1)])], chunks, executor, {}, SCORE)
    assert report['chunk']['count'] == 1
    assert report['chunk']['latency_ms']['p50'] == 31.0
    assert report['executor']['idle_fraction'] == 0.01
    assert report['executor']['late_actions_dropped'] == 2
    assert report['executor']['limit_interventions'] == {'speed': 7}
    assert report['success_rate'] == 1.0
    json.loads(demo_report.as_json(report))


def test_a_report_without_a_chunk_is_still_a_report():
    report = demo_report.build([], {}, {}, {}, SCORE)
    assert report['chunk']['latency_ms'] == {'p50': None, 'p99': None}
    assert report['success_rate'] == 0.0
    json.loads(demo_report.as_json(report))
