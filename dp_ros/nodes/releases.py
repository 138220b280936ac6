"""What rclpy has elsewhere, or does not say, in one of the releases from Humble to Kilted."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.subscription import Subscription

try:
    from rclpy.clock_type import ClockType
    from rclpy.event_handler import QoSLivelinessChangedInfo, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.clock import ClockType  # type: ignore[attr-defined]
    from rclpy.qos_event import QoSLivelinessChangedInfo, SubscriptionEventCallbacks

__all__ = [
    'ClockType',
    'QoSLivelinessChangedInfo',
    'SubscriptionEventCallbacks',
    'received_ns',
    'with_transport',
]


def received_ns(about: dict[str, Any]) -> int:
    """When the middleware had a message [ns, the system's clock]; now where it does not say."""
    return about.get('received_timestamp') or time.time_ns()


def with_transport(heard: Callable[[Any, float], None]) -> Callable[..., None]:
    """A callback of a subscription that calls `heard` with how long the message took [ms].

    Humble's callbacks are told nothing but the message: there it is 0.
    """
    if not hasattr(Subscription, 'CallbackType'):
        return lambda message: heard(message, 0.0)

    def callback(message: Any, info: Any) -> None:
        heard(message, (received_ns(info) - info['source_timestamp']) / 1e6)

    return callback
