"""The subscription front: the stand-in and message_filters answer alike.

The real one is tested where it can be imported, or where MESSAGE_FILTERS_SOURCE names a copy of
its Python module (message_filters/__init__.py of ros2/message_filters, Humble to Kilted).
"""

import importlib.util
import os
import types

import pytest
import rclpy
from builtin_interfaces.msg import Time as TimeMessage
from geometry_msgs.msg import PoseStamped
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.clock import ROSClock
from rclpy.executors import SingleThreadedExecutor
from rclpy.time import Time
from std_msgs.msg import String

from dp_ros.nodes import filters


def stand_in():
    return types.SimpleNamespace(
        SimpleFilter=filters.StandInFilter,
        Subscriber=filters.StandInSubscriber,
        Cache=filters.StandInCache,
    )


def from_source(path):
    spec = importlib.util.spec_from_file_location('message_filters_source', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def implementations():
    found = {'stand-in': stand_in()}
    if importlib.util.find_spec('message_filters'):
        found['ros'] = importlib.import_module('message_filters')
    source = os.environ.get('MESSAGE_FILTERS_SOURCE')
    if source:
        found['source'] = from_source(source)
    return found


FOUND = implementations()
each = pytest.mark.parametrize('front', FOUND.values(), ids=FOUND.keys())
QUERIES = ('getElemAfterTime', 'getElemBeforeTime')


def message(stamp_ns):
    stamp = TimeMessage(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    made = PoseStamped()
    made.header.stamp = stamp
    return made


def time(stamp_ns):
    return Time.from_msg(message(stamp_ns).header.stamp)


def answers(front, size, sent, asked):
    """Everything that a cache says of the messages (by number) that passed through it."""
    source = front.SimpleFilter()
    cache = front.Cache(source, size)
    out = []
    cache.registerCallback(lambda m: out.append(numbers[id(m)]))
    messages = [message(stamp) for stamp in sent]
    numbers = {id(m): i for i, m in enumerate(messages)} | {id(None): None}
    for m in messages:
        source.signalMessage(m)
    said = [out, numbers[id(cache.getLast())]]
    latest = getattr(cache, 'getLastestTime', None) or cache.getLatestTime
    for stamp in (latest(), cache.getOldestTime()):
        said.append(None if stamp is None else stamp.nanoseconds)
    for at in asked:
        said += [numbers[id(getattr(cache, query)(time(at)))] for query in QUERIES]
        said.append([numbers[id(m)] for m in cache.getInterval(time(at), time(at + 3))])
    return said


def test_the_node_uses_the_real_one_where_there_is_one():
    real = importlib.util.find_spec('message_filters')
    assert (filters.Cache is filters.StandInCache) is (real is None)
    assert (filters.Subscriber is filters.StandInSubscriber) is (real is None)


@each
def test_a_cache_keeps_the_order_of_arrival(front):
    # Stamps 5 3 9 7 through a cache of three: 3 9 7 remain, as they came.
    out, last, latest, oldest, *rest = answers(front, 3, [5, 3, 9, 7], [7, 4, 1, 20])
    assert (out, last, latest, oldest) == ([0, 1, 2, 3], 2, 7, 3)
    after, before, between = rest[0::3], rest[1::3], rest[2::3]
    assert after == [2, 2, 1, None]
    assert before == [3, 1, None, 3]
    assert between == [[2, 3], [3], [1], []]


@each
def test_an_empty_cache_has_nothing(front):
    assert answers(front, 3, [], [5]) == [[], None, None, None, None, None, []]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 6),
    st.lists(st.integers(0, 30), max_size=12),
    st.lists(st.integers(0, 30), max_size=4),
)
def test_all_implementations_answer_alike(size, sent, asked):
    said = [answers(front, size, sent, asked) for front in FOUND.values()]
    assert all(other == said[0] for other in said)


@each
def test_an_interval_that_ends_before_it_begins_is_a_mistake(front):
    cache = front.Cache(front.SimpleFilter(), 2)
    with pytest.raises(AssertionError):
        cache.getInterval(time(2), time(1))


@each
def test_callbacks_get_their_own_arguments_in_the_order_of_registration(front):
    source, got = front.SimpleFilter(), []
    assert source.registerCallback(lambda *a: got.append(a), 'x', 1) == 0
    assert source.registerCallback(lambda *a: got.append(a)) == 1
    source.signalMessage('one', 'two')
    assert got == [('one', 'two', 'x', 1), ('one', 'two')]


@pytest.mark.filterwarnings('ignore:.*:DeprecationWarning')  # the real one calls Logger.warn
@each
def test_headerless_messages_are_dropped_or_stamped_on_arrival(front):
    source, got = front.SimpleFilter(), []
    strict, lenient = front.Cache(source, 2), front.Cache(source, 2, allow_headerless=True)
    strict.registerCallback(got.append)
    before = ROSClock().now()
    said = String(data='hello')
    source.signalMessage(said)
    assert got == []
    assert strict.getLast() is None
    assert lenient.getLast() is said
    assert before <= lenient.getOldestTime() <= ROSClock().now()


@each
def test_a_subscriber_passes_a_topic_on(front, domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node('front', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        subscriber = front.Subscriber(node, PoseStamped, '/pose', qos_profile=5)
        cache, got = front.Cache(subscriber, 3), []
        cache.registerCallback(lambda m, name: got.append((name, m)), 'pose')
        publisher = node.create_publisher(PoseStamped, '/pose', 5)
        for _ in range(100):
            publisher.publish(message(17))
            executor.spin_once(timeout_sec=0.05)
            if got:
                break
        assert got[0] == ('pose', message(17))
        assert subscriber.getTopic() == '/pose'
        assert subscriber.topic_name == '/pose'  # of the subscription itself
        assert cache.getOldestTime() == time(17)
        node.destroy_subscription(subscriber.sub)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
