"""Every figure of an audit, on a bag in which it is known."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.data.audit import Thresholds, audit, load_thresholds, with_copies
from dp_ros.data.audit.streams import missing
from dp_ros.data.bag_repair import BagError
from dp_ros.data.episode import find_episodes
from dp_ros.paths import share
from dp_ros.yamlfile import ConfigError
from tests.data import drawn_bags
from tests.data.audited_bags import LATE, commands, frames, mode, poses, report, write
from tests.data.cameras import NEAR, task

PLAIN, ROBOT = task(), drawn_bags.robot()
SEEN, SEEING = task(NEAR), drawn_bags.robot(NEAR)
ALL = Thresholds()
TIMES = [i / 50 for i in range(150)]


@pytest.fixture
def weigh(tmp_path):
    """Messages -> the audit of a bag of them, commands added unless there are some."""

    def made(said, used=PLAIN, robot=ROBOT, **known):
        folder = write(
            tmp_path / f'bag{len(list(tmp_path.iterdir()))}', used, robot, said, **known
        )
        return audit(folder, used, robot, ALL)

    return made


def test_a_sound_episode_has_nothing_to_complain_of(weigh):
    found = weigh(poses(TIMES) + commands(TIMES) + [mode(0.0, 'teleoperated')], outcome='success')
    (tcp,) = found.streams
    assert found.complaints == ()
    assert found.outcome == 'success'
    assert found.seconds == pytest.approx(TIMES[-1] + LATE)
    assert (tcp.messages, tcp.missing, tcp.duplicates, tcp.out_of_order) == (150, 0, 0, 0)
    assert tcp.rate_hz == pytest.approx(50)
    assert tcp.gap_ms == pytest.approx(20)
    assert (found.windows.had, found.windows.refused) == (found.windows.asked, {})
    assert found.windows.asked >= 25


def test_a_dropped_sample_is_missing_and_leaves_a_gap(weigh):
    said = poses([t for i, t in enumerate(TIMES) if i not in (40, 80, 81)])
    (tcp,) = weigh(said + commands(TIMES)).streams
    assert tcp.missing == 3
    assert tcp.gap_ms == pytest.approx(60)
    assert tcp.drops == pytest.approx(3 / 150)


@given(st.lists(st.integers(1, 8), min_size=3, max_size=60).filter(lambda s: s.count(1) > 0))
def test_missing_samples_are_counted_whatever_the_gaps(steps):
    assert missing(np.array(steps) * 20, 20.0) == sum(steps) - len(steps)


def test_a_sample_that_came_late_is_not_missing():
    assert missing(np.array([20, 20, 36, 4, 20]), 20.0) == 0
    assert missing(np.array([20, 50, 5, 5, 20]), 20.0) == 0
    assert missing(np.array([20, 70, 5, 5, 20]), 20.0) == 1


def test_duplicates_and_samples_out_of_order(weigh):
    twice = poses([TIMES[10], TIMES[90]])
    late = [(1.0 + 2 * LATE, *poses([0.993])[0][1:])]
    (tcp,) = weigh(poses(TIMES) + twice + late + commands(TIMES)).streams
    assert (tcp.duplicates, tcp.out_of_order, tcp.missing) == (2, 1, 0)


def test_latency_is_from_stamp_to_arrival(weigh):
    said = [*poses(TIMES[:-1]), (TIMES[-1] + 0.25, *poses(TIMES[-1:])[0][1:])]
    (tcp,) = weigh(said + commands(TIMES)).streams
    assert tcp.latency.p50 == pytest.approx(5)
    assert tcp.latency.largest == pytest.approx(250)


def test_a_silence_loses_windows_and_is_complained_of(weigh):
    said = poses([t for t in TIMES if not 1.0 < t < 1.79]) + commands(TIMES)
    found = weigh(said)
    assert found.streams[0].gap_ms == pytest.approx(800)
    assert found.windows.asked - found.windows.had == sum(found.windows.refused.values())
    assert 7 <= sum(found.windows.refused.values()) <= 9
    assert {name.split('_')[0] for name in found.windows.refused} == {'tcp'}
    told = '\n'.join(found.complaints)
    assert 'tcp: largest gap 800 ms; 300 ms allowed' in told
    assert 'windows that cannot be had' in told


def test_a_stream_that_ends_early_loses_the_rest(weigh):
    found = weigh(poses(TIMES[:75]) + commands(TIMES))
    (tcp,) = found.streams
    assert tcp.gap_ms == pytest.approx(1500, abs=30)
    assert tcp.missing == pytest.approx(75, abs=1)
    assert found.windows.lost == pytest.approx(0.5, abs=0.1)
    assert set(found.windows.refused) == {'tcp_stale'}


def test_frames_frozen_skewed_and_unreadable(weigh):
    times = [0.002 + i / 30 for i in range(90)]
    shown = frames(NEAR, times, lambda number: 30 if 30 < number < 36 else number)
    found = weigh(shown + poses(TIMES) + commands(TIMES), SEEN, SEEING)
    near = next(stream for stream in found.streams if stream.name == NEAR.name)
    assert near.frozen == 5
    # The grid lies at whole tenths, and every third frame 2 ms after one.
    assert near.skew.p50 == pytest.approx(1000 / 30 - 2, abs=0.1)
    broken = dataclasses.replace(shown[0][3], encoding='mono8')
    said = [(shown[0][0], *shown[0][1:3], broken), *shown[1:], *poses(TIMES), *commands(TIMES)]
    found = weigh(said, SEEN, SEEING)
    near = next(stream for stream in found.streams if stream.name == NEAR.name)
    assert near.malformed == 1
    assert any('unreadable messages' in told for told in found.complaints)


def test_idle_is_a_command_that_stands_while_someone_commands(weigh):
    def stands(t):
        return drawn_bags.commanded(min(t, 1.0))

    said = poses(TIMES) + commands(TIMES, stands)
    found = weigh([*said, mode(0.0, 'teleoperated')])
    assert found.idle_longest_s == pytest.approx(TIMES[-1] - 1.0)
    assert found.idle_s == found.idle_longest_s
    assert found.idle_share == pytest.approx(found.idle_s / found.seconds)
    assert 'idle while commanded 66.' in ' '.join(found.complaints)
    assert weigh([*said, mode(0.0, 'holding')]).idle_s == 0
    assert weigh([*said, mode(0.0, 'policy'), mode(1.99, 'idle')]).idle_s == pytest.approx(0.98)


def test_limits_chunks_and_stops_by_how_much_their_counters_rose(weigh):
    said = [
        *poses(TIMES),
        *commands(TIMES),
        mode(0.0, 'policy'),
        report(0.5, rate_hz='125.0', limited_speed=100, chunks_accepted=7, protective_stops=1),
        report(1.0, rate_hz='125.0', limited_speed=150, limited_step=5, chunks_accepted=9,
               chunks_late=2, chunks_not_armed=4, protective_stops=1),
        # The executor was started anew.
        report(1.5, rate_hz='125.0', limited_speed=200, chunks_accepted=3, protective_stops=2),
    ]  # fmt: skip
    found = weigh(said)
    assert found.limited == {'speed': 100, 'step': 5}
    assert found.limited_share == pytest.approx(100 / 125 / found.seconds)
    assert found.chunks == {'accepted': 5, 'late': 2, 'not_armed': 4}
    assert (found.chunks_refused, found.protective_stops) == (2, 1)
    assert '1 protective stops; 0 allowed' in found.complaints


def test_the_mode_timeline_and_who_took_over(weigh):
    modes = [mode(0.5, 'policy'), mode(1.0, 'teleoperated'), mode(1.5, 'policy'),
             mode(2.0, 'holding')]  # fmt: skip
    said = poses(TIMES) + commands(TIMES)
    found = weigh(said + modes)
    began = LATE
    assert [s.mode for s in found.stretches] == [
        'unknown', 'policy', 'teleoperated', 'policy', 'holding',
    ]  # fmt: skip
    assert found.modes['policy'] == pytest.approx(1.0)
    assert found.modes['teleoperated'] == pytest.approx(0.5)
    assert found.modes['unknown'] == pytest.approx(0.5 - began)
    assert sum(found.modes.values()) == pytest.approx(found.seconds)
    assert found.interventions == 1
    # What the executor reports before it announces a change held from the start.
    known = weigh([*said, report(0.2, mode='idle'), *modes])
    assert known.modes['idle'] == pytest.approx(0.5 - began)


def test_what_the_recorder_says_it_lost_is_told(weigh):
    said = poses(TIMES) + commands(TIMES)
    lost = {'dropped': {'/tcp_pose': 3}, 'missed': {'/tcp_pose': 2}}
    found = weigh(said, outcome='failure', **lost)
    assert (found.streams[0].unstored, found.streams[0].unheard) == (3, 2)
    assert found.complaints == (
        'outcome failure; trained on are success, unknown',
        'tcp: 3 messages did not reach the disk; 0 allowed',
    )


def test_an_episode_without_commands_or_of_one_moment(weigh):
    assert any('no action to train on' in told for told in weigh(poses(TIMES)).complaints)
    found = weigh(poses(TIMES[:1]) + commands(TIMES[:1]))
    assert 'too short for one window' in found.complaints
    assert found.windows.lost == 1


def test_stamps_of_another_clock_end(weigh):
    """Neither grid times without end nor an error: every window is refused."""
    far = [(3.0 + 1e8, *poses([3.0])[0][1:])]
    found = weigh(poses(TIMES) + far + commands(TIMES))
    assert found.windows.asked == pytest.approx(1e9, rel=0.01)
    assert found.windows.lost == pytest.approx(1)


def test_the_same_samples_again_are_a_copy(weigh):
    said = poses(TIMES) + commands(TIMES)
    first, other, second = weigh(said), weigh(said[1:]), weigh(said)
    told = with_copies([first, other, second])
    assert [bool(a.complaints) for a in told] == [False, False, True]
    assert f'same samples as {first.folder}' in told[2].complaints[0]


def test_a_bag_that_lacks_a_stream_or_has_another_type(tmp_path):
    folder = write(tmp_path / 'a', PLAIN, ROBOT, commands(TIMES))
    with pytest.raises(BagError, match='lacks /tcp_pose'):
        audit(folder, PLAIN, ROBOT, ALL)
    said = [*poses(TIMES), (0.1, '/executor/mode', *commands([0.1])[0][2:])]
    folder = write(tmp_path / 'b', PLAIN, ROBOT, said)
    with pytest.raises(BagError, match=r'/executor/mode is .*; expected std_msgs/msg/String'):
        audit(folder, PLAIN, ROBOT, ALL)


def test_bags_are_found_in_folders_but_not_in_the_trash(tmp_path):
    for name in ('episode_0001', 'episode_0002', 'trash'):
        write(tmp_path / name, PLAIN, ROBOT, poses([0.0]))
    (tmp_path / 'logs').mkdir()
    one, two = tmp_path / 'episode_0001', tmp_path / 'episode_0002'
    assert find_episodes([tmp_path]) == [one, two]
    assert find_episodes([two, tmp_path]) == [two, one]
    with pytest.raises(BagError, match='is no bag and holds none'):
        find_episodes([tmp_path / 'logs'])
    monday = write(tmp_path / 'monday' / 'episode_0003', PLAIN, ROBOT, poses([0.0]))
    with pytest.raises(BagError, match=r'monday holds bags, too, .* give both folders'):
        find_episodes([tmp_path])
    assert find_episodes([one, tmp_path / 'monday']) == [one, monday]


def test_the_thresholds_that_ship_are_the_defaults_and_a_typo_is_named(tmp_path):
    assert load_thresholds(share('config', 'audit.yaml')) == ALL
    (tmp_path / 'mine.yaml').write_text('gap_mss: 5\n')
    with pytest.raises(ConfigError, match="did you mean 'gap_ms'"):
        load_thresholds(tmp_path / 'mine.yaml')
