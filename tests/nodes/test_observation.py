"""The observation node between DDS and the policy: what it accepts, refuses and reports."""

import numpy as np
import pytest
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CompressedImage

from dp_ros.core.refusal import Refusal, Refused
from dp_ros.core.stamped import ObservationWindow, Sample
from dp_ros.data.images import prepare
from dp_ros.data.pictures import Picture
from dp_ros.nodes.observation import ObservationNode
from dp_ros.paths import share
from dp_ros.task import load_task
from tests.nodes.streams import POSE, WIDTH, noisy_frame, ros

TASK = share('config', 'tasks', 'pusht_cell_image.yaml')
ROBOT = share('config', 'robots', 'ur5e_sim.yaml')
CAMERAS = ('overhead', 'wrist')
OK, ERROR = DiagnosticStatus.OK, DiagnosticStatus.ERROR


def robot_file(folder, change):
    """The simulated robot, changed."""
    content = yaml.safe_load(ROBOT.read_text())
    change(content)
    path = folder / 'robot.yaml'
    path.write_text(yaml.safe_dump(content))
    return path


def seeing(domain, jpeg=(), **parameters):
    parameters = {'task': TASK, 'robot': ROBOT} | parameters
    return ros(lambda: [ObservationNode()], domain, parameters, CAMERAS, jpeg)


def newest(node):
    """The newest window, or why there is none."""
    anchor = node.newest_anchor_ns()
    return Refused(Refusal.MISSING, '', '') if anchor is None else node.window(anchor)


def gives_windows(node):
    return lambda: isinstance(newest(node), ObservationWindow)


def refuses(node, stream, reason):
    def holds():
        result = newest(node)
        return isinstance(result, Refused) and (result.stream, result.reason) == (stream, reason)

    return holds


def reports(streams, level, *words):
    def holds():
        status = streams.status('observation')
        return bool(status) and status[0] == level and all(word in status[1] for word in words)

    return holds


def test_windows_hold_the_frames_as_training_saw_them(domain):
    task = load_task(TASK)
    with seeing(domain) as ([node], streams):
        streams.run(until=gives_windows(node))
        streams.run(0.5)
        anchor = node.newest_anchor_ns()
        ahead = dict(node.settled(anchor))
        window = newest(node)
        seen = node.images(window)
        assert set(seen) == set(CAMERAS)
        for stream in task.cameras:
            frames = window.frames[stream.name]
            assert ahead[stream.name] is frames[-1]
            assert [stamp for stamp, _ in seen[stream.name]] == [f.stamp_ns for f in frames]
            for grid, (stamp, image) in zip(window.stamps_ns, seen[stream.name], strict=True):
                assert 0 <= grid - stamp <= stream.tolerance_s * 1e9
                sent = streams.sent[stream.name, stamp]
                assert image.tobytes() == prepare(sent, stream).tobytes()
        # Asked for again, nothing is made anew.
        again = node.images(window)
        assert all(
            a[1] is b[1] for name in CAMERAS for a, b in zip(seen[name], again[name], strict=True)
        )
        np.testing.assert_allclose(window.streams['tcp'], [POSE, POSE])
        streams.run(until=reports(streams, OK, 'all streams arrive'))
        values = streams.status('observation')[2]
        # 30 Hz, and less where other programs take the processor.
        assert 5 < float(values['overhead_rate_hz']) < 36
        assert float(values['wrist_age_ms']) < 1000
        assert {values[f'tcp_{what}'] for what in ('duplicates', 'late', 'jumps')} == {'0'}


def test_jpeg_frames_are_taken_where_the_robot_file_says_so(domain, tmp_path):
    robot = robot_file(tmp_path, lambda r: r['cameras']['wrist'].update(jpeg=True))
    with seeing(domain, jpeg=('wrist',), robot=robot) as ([node], streams):
        streams.run(until=gives_windows(node))
        stamp, image = node.images(newest(node))['wrist'][-1]
        expected = prepare(streams.sent['wrist', stamp], load_task(TASK).cameras[1])
        assert np.abs(image.astype(int) - expected).mean() < 8


def test_latencies_of_the_robot_file_move_frames_to_their_capture(domain, tmp_path):
    late = {'/overhead/color/image_raw': 0.03}
    robot = robot_file(tmp_path, lambda r: r.update(latencies_s=late))
    with seeing(domain, robot=robot) as ([node], streams):
        streams.run(until=gives_windows(node))
        frames = newest(node).frames
        assert ('overhead', frames['overhead'][0].stamp_ns + 30_000_000) in streams.sent
        assert ('wrist', frames['wrist'][0].stamp_ns) in streams.sent


def wrong_size(message):
    return _changed(message, width=WIDTH // 2)


def wrong_encoding(message):
    return _changed(message, encoding='mono8')


def _changed(message, **fields):
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (wrong_size, 'expected frames of 320 x 240 pixels, found 160 x 240'),
        (wrong_encoding, "expected encoding rgb8 or bgr8, found 'mono8'"),
    ],
)
def test_a_wrong_image_is_a_named_refusal_and_no_exception(domain, spoil, words):
    with seeing(domain) as ([node], streams):
        streams.run(until=gives_windows(node))
        streams.changed = lambda name, m: spoil(m) if name == 'wrist' else m
        streams.run(until=refuses(node, 'wrist', Refusal.MALFORMED))
        streams.run(until=reports(streams, ERROR, 'wrist', words))
        assert int(streams.status('observation')[2]['wrist_malformed']) > 0
        streams.changed = lambda _, message: message
        streams.run(until=gives_windows(node))
        streams.run(until=reports(streams, OK))


@pytest.mark.parametrize(
    ('reason', 'picture'),
    [
        (Refusal.BLACK, lambda n: noisy_frame(n) // 60),
        (Refusal.FROZEN, lambda _: noisy_frame(0)),
    ],
)
@pytest.mark.parametrize('jpeg', [False, True])
def test_a_blind_camera_is_reported_and_recovers(domain, tmp_path, reason, picture, jpeg):
    robot = robot_file(tmp_path, lambda r: [c.update(jpeg=jpeg) for c in r['cameras'].values()])
    with seeing(domain, jpeg=CAMERAS if jpeg else (), robot=robot) as ([node], streams):
        streams.run(until=gives_windows(node))
        streams.frame = picture
        streams.run(until=refuses(node, 'overhead', reason))
        streams.run(until=reports(streams, ERROR, reason.value))
        streams.frame = noisy_frame
        streams.run(until=gives_windows(node))
        streams.run(until=reports(streams, OK))


def without_tables(message):
    """A JPEG that is whole and of the right size, but cannot be decoded."""
    data = bytes(message.data)
    broken = CompressedImage(header=message.header, format=message.format)
    broken.data.frombytes(data[: data.index(b'\xff\xda')] + b'\xff\xd9')
    return broken


def test_a_jpeg_that_cannot_be_decoded_is_a_named_refusal(domain, tmp_path):
    robot = robot_file(tmp_path, lambda r: r['cameras']['wrist'].update(jpeg=True))
    with seeing(domain, jpeg=('wrist',), robot=robot) as ([node], streams):
        streams.run(until=gives_windows(node))
        streams.changed = lambda name, m: without_tables(m) if name == 'wrist' else m
        streams.run(until=reports(streams, ERROR, 'wrist', 'cannot be decoded'))
        streams.changed = lambda _, message: message
        streams.run(until=gives_windows(node))
        # One that is found out only when a window asks for its pixels.
        window = newest(node)
        last = window.frames['wrist'][-1]
        broken = without_tables(last.value.message)
        spoiled = Sample(last.stamp_ns, Picture(broken, last.value.stream))
        frames = {**window.frames, 'wrist': (window.frames['wrist'][0], spoiled)}
        before = node._refusals['wrist_malformed']
        refused = node.images(ObservationWindow(window.stamps_ns, window.streams, frames))
        assert (refused.reason, refused.stream) == (Refusal.MALFORMED, 'wrist')
        assert node._refusals['wrist_malformed'] == before + 1


def test_a_camera_that_is_gone_is_named_and_comes_back(domain):
    with seeing(domain) as ([node], streams):
        streams.run(until=gives_windows(node))
        streams.silent.add('wrist')
        streams.run(until=refuses(node, 'wrist', Refusal.STALE))
        streams.run(until=reports(streams, ERROR, 'wrist', Refusal.STALE.value))
        streams.silent.clear()
        streams.run(until=gives_windows(node))
        streams.run(until=reports(streams, OK))


def test_a_clock_that_runs_ahead_is_named_until_it_is_set_right(domain):
    with seeing(domain) as ([node], streams):
        streams.run(until=gives_windows(node))

        def ahead(name, message):
            if name == 'overhead':
                message.header.stamp.sec += 5
            return message

        streams.changed = ahead
        streams.run(until=refuses(node, 'overhead', Refusal.JUMP))
        streams.run(until=reports(streams, ERROR, 'overhead', '5.0 s ahead of now'))
        streams.changed = lambda _, message: message
        streams.run(until=gives_windows(node))
        assert node._refusals['overhead_jump'] > 0


def test_windows_return_when_simulated_time_is_set_back(domain):
    """A bag that begins again: /clock and all stamps go back."""
    with seeing(domain, use_sim_time=True) as ([node], streams):
        streams.run(until=gives_windows(node))
        before = node.newest_anchor_ns()
        streams.set_back(30)
        streams.run(until=lambda: gives_windows(node)() and node.newest_anchor_ns() < before)
        streams.run(until=lambda: reported(streams)[2].get('clock_jumps') == '1')


def reported(streams):
    """What the node last said of itself; on a slow machine its first report may be to come."""
    return streams.status('observation') or (None, '', {})


def test_a_node_that_was_deactivated_forgets_and_begins_again(domain):
    with seeing(domain) as ([node], streams):
        streams.run(until=gives_windows(node))
        node.trigger_deactivate()
        streams.run(0.3)
        assert node.newest_anchor_ns() is None
        streams.run(until=lambda: 'overhead: no sample' in reported(streams)[1])
        assert streams.status('observation')[0] == DiagnosticStatus.WARN
        node.trigger_activate()
        streams.run(until=gives_windows(node))


def configured(domain, **parameters):
    """What the node says when it is configured with these parameters."""
    arguments = ['--ros-args']
    for name, value in parameters.items():
        arguments += ['-p', f'{name}:={value}']
    rclpy.init(args=arguments, domain_id=domain)
    try:
        node = ObservationNode()
        node.trigger_configure()
        said = node.hopeless
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    return said


def test_cameras_that_the_robot_file_does_not_have_end_the_process(domain, tmp_path):
    def rename(robot):
        robot['cameras']['front'] = robot['cameras'].pop('overhead')

    said = configured(domain, task=TASK, robot=robot_file(tmp_path, rename))
    assert "sees the cameras ['overhead', 'wrist']" in said
    assert "['overhead'] missing" in said
    assert 'robot.yaml' in said


def test_another_frame_size_in_the_robot_file_ends_the_process(domain, tmp_path):
    robot = robot_file(tmp_path, lambda r: r['cameras']['wrist'].update(width=640))
    said = configured(domain, task=TASK, robot=robot)
    assert "camera 'wrist'" in said
    assert '640 x 240' in said


def test_a_task_with_cameras_needs_a_robot_file(domain):
    assert 'parameter robot' in configured(domain, task=TASK)


def test_a_task_without_cameras_needs_none(domain):
    assert configured(domain, task=share('config', 'tasks', 'pusht_cell.yaml')) == ''
