"""rclpy of the other releases: what it lacks there is found elsewhere, or done without."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from dp_ros.nodes import raw_listener, releases


@pytest.fixture
def humble(monkeypatch):
    """The module as Humble's rclpy makes it (rclpy 3.3: qos_event, ClockType in clock)."""
    names = ('QoSLivelinessChangedInfo', 'SubscriptionEventCallbacks')
    events = SimpleNamespace(**{name: getattr(releases, name) for name in names})
    monkeypatch.setitem(sys.modules, 'rclpy.qos_event', events)
    for absent in ('rclpy.event_handler', 'rclpy.clock_type'):
        monkeypatch.setitem(sys.modules, absent, None)
    monkeypatch.setattr('rclpy.subscription.Subscription', type('Subscription', (), {}))
    yield importlib.reload(releases)
    monkeypatch.undo()
    importlib.reload(releases)


def test_humble_has_all_that_is_asked_of_it(humble):
    assert {name for name in humble.__all__ if not hasattr(humble, name)} == set()
    heard = []
    callback = humble.with_transport(lambda *given: heard.append(given))
    callback('a message')  # and nothing that tells of its way
    assert heard == [('a message', 0.0)]


def test_a_message_that_tells_of_its_way():
    heard = []
    callback = releases.with_transport(lambda *given: heard.append(given))
    callback('message', {'source_timestamp': 5_000_000, 'received_timestamp': 8_000_000})
    assert heard == [('message', 3.0)]


@pytest.mark.parametrize(
    ('about', 'publisher', 'sequence'),
    [
        ({'received_timestamp': 7, 'source_timestamp': 5}, b'', None),  # Humble
        ({'received_timestamp': 7, 'publication_sequence_number': 3}, b'', 3),  # Jazzy
        (
            {
                'received_timestamp': 7,
                'publication_sequence_number': None,
                'publisher_gid': {'data': b'x'},
            },
            b'x',
            None,
        ),  # Cyclone DDS
    ],
)
def test_a_raw_message_is_heard_whatever_is_known_of_it(about, publisher, sequence):
    waiting = [(b'cdr', about), None]

    class Handle:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def take_message(self, *_):
            return waiting.pop(0)

    heard = []
    listener = object.__new__(raw_listener.RawListener)
    listener._heard = heard.append
    listener._subscriptions = [SimpleNamespace(handle=Handle(), msg_type=None, topic='/t')]
    listener.poll()
    assert heard == [raw_listener.Heard('/t', b'cdr', 7, publisher, sequence)]


def test_a_time_that_the_middleware_does_not_tell_is_now():
    assert releases.received_ns({'received_timestamp': 0}) > 10**18
