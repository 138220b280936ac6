"""dp-ros bag, as a person types it."""

from dp_ros.data.bag_writer import TYPES, BagWriter


def test_a_killed_recording_is_named_repaired_and_shown(tmp_path, dp_ros):
    writer = BagWriter(tmp_path / 'bag')
    writer.add_topic('/text', 'std_msgs/msg/String')
    message = TYPES.types['std_msgs/msg/String'](data='said')
    cdr = TYPES.serialize_cdr(message, 'std_msgs/msg/String')
    for second in range(3):
        writer.write('/text', second * 1_000_000_000, cdr)
    writer.flush()
    writer.abort()
    code, told = dp_ros('bag', 'info', tmp_path / 'bag')
    assert code == 1
    assert 'dp-ros bag repair' in told
    code, told = dp_ros('bag', 'repair', tmp_path / 'bag')
    assert (code, told.startswith('3 messages saved')) == (0, True), told
    code, told = dp_ros('bag', 'info', tmp_path / 'bag')
    assert code == 0
    assert '/text' in told
    assert '1.5 Hz' in told
    code, told = dp_ros('bag', 'repair', tmp_path / 'bag')
    assert (code, 'nothing to repair' in told) == (0, True)


def test_a_folder_that_is_no_bag_is_a_sentence(tmp_path, dp_ros):
    code, told = dp_ros('bag', 'info', tmp_path / 'nothing')
    assert code == 1
    assert 'no such bag' in told
    assert 'Traceback' not in told
