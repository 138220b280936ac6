import pytest
from rclpy.serialization import serialize_message

from dp_ros.nodes import convert, topics
from dp_ros.nodes.hearing import IDENTITY_AGE_NS, Hearing
from dp_ros.nodes.raw_listener import Heard

SECOND_NS = 1_000_000_000
POSE, MODE, SAID = topics.TCP_POSE.name, topics.MODE.name, topics.DIAGNOSTICS.name


@pytest.fixture
def hearing():
    return Hearing([topics.TCP_POSE, topics.MODE, topics.DIAGNOSTICS])


def heard(topic, sequence=1, publisher=b'a', cdr=b'0123'):
    return Heard(topic, cdr, 0, publisher, sequence)


def test_numbers_left_out_by_a_publisher_are_missed_messages(hearing):
    for publisher, numbers in ((b'a', (7, 8, 11, 12)), (b'b', (1, 2, 4))):
        for number in numbers:
            hearing.note(heard(POSE, number, publisher), 0)
    assert hearing.missed == {POSE: 3}


@pytest.mark.parametrize(('publisher', 'sequence'), [(b'', 5), (b'a', None), (b'', None)])
def test_messages_that_do_not_say_whose_they_are_are_heard_all_the_same(
    hearing, publisher, sequence
):
    """As those of Humble and Jazzy, and of Cyclone DDS."""
    for number in range(3):
        counted = None if sequence is None else sequence + 4 * number
        hearing.note(heard(POSE, counted, publisher), 0)
        hearing.note(heard(MODE, counted, publisher, b'%d' % number), 0)
    assert not hearing.missed
    assert hearing.held(MODE, {b'a'}) == [b'2']
    assert hearing.held(MODE, set()) == []


def test_a_publisher_that_begins_anew_has_lost_nothing(hearing):
    for number in (50, 1, 2):
        hearing.note(heard(POSE, number), 0)
    assert not hearing.missed


def test_of_each_living_publisher_the_newest_latched_message_is_held_the_newest_last(hearing):
    for publisher, cdr in ((b'a', b'old'), (b'b', b'b'), (b'gone', b'x'), (b'a', b'new')):
        hearing.note(heard(MODE, 1, publisher, cdr), 0)
        hearing.note(heard(POSE, 1, publisher, cdr), 0)
    assert hearing.held(MODE, {b'a', b'b'}) == [b'b', b'new']
    assert hearing.held(POSE, {b'a', b'b'}) == []


def test_rates_count_the_last_seconds(hearing):
    for i in range(300):
        hearing.note(heard(POSE, i), i * SECOND_NS // 100)
    assert hearing.rates(3 * SECOND_NS) == {POSE: pytest.approx(100, abs=1), MODE: 0, SAID: 0}
    assert hearing.take_bytes() == 1200
    assert hearing.take_bytes() == 0


def test_a_policy_is_known_by_what_it_said_shortly_before_or_during_the_episode(hearing):
    assert hearing.identity(0) == ''
    said = convert.diagnostics_message(0, 'inference', b'\0', 'warm', {'identity': 'abc'})
    hearing.note(heard(SAID, 1, cdr=serialize_message(said)), 10 * SECOND_NS)
    other = convert.diagnostics_message(0, 'inference/chunk', b'\0', 'ok', {'identity': 'no'})
    hearing.note(heard(SAID, 2, cdr=serialize_message(other)), 11 * SECOND_NS)
    assert hearing.identity(12 * SECOND_NS) == 'abc'
    assert hearing.identity(9 * SECOND_NS) == 'abc'
    assert hearing.identity(10 * SECOND_NS + IDENTITY_AGE_NS) == ''
