"""metadata.yaml as `ros2 bag info` demands it (rosbag2_storage, yaml.hpp, version 9)."""

import yaml
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

from dp_ros.data.bag_writer import TYPES, BagWriter

NEVER = QosTime(9223372036, 854775807)
OFFERED = Qos(
    QosHistory.KEEP_LAST, 5, QosReliability.BEST_EFFORT, QosDurability.TRANSIENT_LOCAL,
    NEVER, NEVER, QosLiveliness.AUTOMATIC, QosTime(0, 200_000_000), False,
)  # fmt: skip


def test_every_field_that_rosbag2_reads_is_there(tmp_path):
    writer = BagWriter(tmp_path / 'bag')
    writer.add_topic('/text', 'std_msgs/msg/String', (OFFERED,))
    cdr = TYPES.serialize_cdr(TYPES.types['std_msgs/msg/String'](data='x'), 'std_msgs/msg/String')
    for stamp in (1_000, 4_000):
        writer.write('/text', stamp, cdr)
    writer.close()
    text = (tmp_path / 'bag' / 'metadata.yaml').read_text()
    told = yaml.safe_load(text)['rosbag2_bagfile_information']
    span = {
        'starting_time': {'nanoseconds_since_epoch': 1_000},
        'duration': {'nanoseconds': 3_000},
        'message_count': 2,
    }
    assert span.items() <= told.items()
    assert told['version'] == 9
    assert told['storage_identifier'] == 'mcap'
    assert told['relative_file_paths'] == ['bag.mcap']
    assert told['files'] == [{'path': 'bag.mcap', **span}]
    assert (told['compression_format'], told['compression_mode']) == ('', '')
    assert {'custom_data', 'ros_distro'} <= set(told)
    (topic,) = told['topics_with_message_count']
    assert topic['message_count'] == 2
    about = topic['topic_metadata']
    assert about['type_description_hash'].startswith('RIHS01_')
    assert {k: about[k] for k in ('name', 'type', 'serialization_format')} == {
        'name': '/text',
        'type': 'std_msgs/msg/String',
        'serialization_format': 'cdr',
    }
    never = {'sec': 9223372036, 'nsec': 854775807}
    assert about['offered_qos_profiles'] == [
        {
            'history': 'keep_last',
            'depth': 5,
            'reliability': 'best_effort',
            'durability': 'transient_local',
            'deadline': never,
            'lifespan': never,
            'liveliness': 'automatic',
            'liveliness_lease_duration': {'sec': 0, 'nsec': 200_000_000},
            'avoid_ros_namespace_conventions': False,
        }
    ]
