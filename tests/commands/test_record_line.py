from dp_ros.commands import record_line
from dp_ros.paths import share
from dp_ros.robot import load_robot
from dp_ros.task import load_task

VALUES = {
    'rate_hz/joint_states': '61.5',
    'rate_hz/overhead/color/image_raw': '30.0',
    'rate_hz/wrist/color/image_raw': '23.5',
    'rate_hz/wrist/color/camera_info': '30.0',
    'rate_hz/executor/command': '0.0',
    'rate_hz/policy/chunk': '2.0',
    'rate_hz/diagnostics': '5.0',
    'disk_left_gb': '60.00',
    'mb_per_s': '50.00',
}


def nominal():
    task = load_task(share('config', 'tasks', 'pusht_cell_image.yaml'))
    return record_line.nominal_rates(task, load_robot(share('config', 'robots', 'ur5e_sim.yaml')))


def styled(made, colour):
    """What stands in `colour`."""
    return [made.plain[s.start : s.end] for s in made.spans if colour in str(s.style)]


def test_before_an_episode_it_tells_rates_and_how_long_the_disk_will_last():
    made = record_line.line('ready', False, VALUES, nominal())
    assert made.plain == (
        'ready  |  joint_states 62 overhead 30 wrist 24 chunk 2  |  60.0 GB, 20 min left'
    )
    assert styled(made, 'red') == ['wrist 24']


def test_in_an_episode_it_tells_its_length_and_what_was_lost():
    values = {**VALUES, 'seconds': '12.4', 'lost': '3'}
    made = record_line.line('recording episode_0003', False, values, nominal())
    assert made.plain.startswith('● recording episode_0003  12 s  |  ')
    assert '  |  lost 3  |  ' in made.plain
    assert '  |  lost 3' in styled(made, 'red')
    quiet = record_line.line('recording episode_0003', False, values | {'lost': '0'}, nominal())
    assert '  |  lost 0' not in styled(quiet, 'red')


def test_trouble_is_red_and_a_silent_required_stream_too():
    values = VALUES | {'rate_hz/tcp_pose': '0.0', 'mb_per_s': '0.00'}
    made = record_line.line('the disk is full', True, values, nominal())
    assert styled(made, 'red') == ['the disk is full', 'wrist 24', 'tcp_pose 0']
    assert made.plain.endswith('60.0 GB left')


def test_a_disk_that_lasts_long_is_told_in_hours():
    made = record_line.line('ready', False, VALUES | {'mb_per_s': '2.00'}, nominal())
    assert made.plain.endswith('60.0 GB, 8 h left')
