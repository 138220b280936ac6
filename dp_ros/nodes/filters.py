"""The subscription front: message_filters where ROS brings it, else a stand-in of our own.

The stand-in has the interface of message_filters' Python module as Humble to Kilted ship it, and
its ways: callbacks are called in the order of registration, a Cache keeps messages in the order in
which they came (not in that of their stamps), and it drops messages without a header unless told
to stamp them with the time of their arrival.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.clock import ROSClock
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.time import Time

# The names of message_filters are those of ROS 1.
# ruff: noqa: N802


class StandInFilter:
    """Something that has output, and those who want it."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> int:
        """Call `cb(*output, *args)` for each output from now on; returns its number."""
        number = len(self.callbacks)
        self.callbacks[number] = (cb, args)
        return number

    def signalMessage(self, *msg: Any) -> None:
        """Hand the output to every callback."""
        for callback, args in self.callbacks.values():
            callback(*msg, *args)


class StandInSubscriber(StandInFilter):
    """A subscription as a filter; `kwargs` are those of create_subscription."""

    def __init__(self, node: Node, msg_type: Any, topic: str, **kwargs: Any) -> None:
        super().__init__()
        self.node, self.topic = node, topic
        kwargs.setdefault('qos_profile', 10)
        self.sub = node.create_subscription(msg_type, topic, self.callback, **kwargs)

    def callback(self, msg: Any) -> None:
        """Pass a message on."""
        self.signalMessage(msg)

    def getTopic(self) -> str:
        """The topic as it was given."""
        return self.topic

    def __getattr__(self, key: str) -> Any:
        if key == 'sub':
            raise AttributeError(key)
        return getattr(self.sub, key)


class StandInCache(StandInFilter):
    """The newest `cache_size` messages of filter `f`, which it passes on."""

    def __init__(self, f: Any, cache_size: int = 1, allow_headerless: bool = False) -> None:
        super().__init__()
        self.cache_size, self.allow_headerless = cache_size, allow_headerless
        self._held: deque[tuple[Time, Any]] = deque(maxlen=cache_size)
        self.connectInput(f)

    def connectInput(self, f: Any) -> None:
        """Take the output of `f`."""
        self.incoming_connection = f.registerCallback(self.add)

    def add(self, msg: Any) -> None:
        """Keep a message and pass it on."""
        stamp = getattr(getattr(msg, 'header', None), 'stamp', None)
        if stamp is None and not self.allow_headerless:
            get_logger('message_filters_cache').warning(
                f'dropped a {type(msg).__name__}: it has no header with a stamp, and the cache '
                f'was made without allow_headerless'
            )
            return
        if stamp is None:
            stamp = ROSClock().now()
        elif not hasattr(stamp, 'nanoseconds'):
            stamp = Time.from_msg(stamp)
        self._held.append((stamp, msg))
        self.signalMessage(msg)

    def getInterval(self, from_stamp: Time, to_stamp: Time) -> list[Any]:
        """The messages with stamps between the two, these included."""
        if to_stamp < from_stamp:
            raise AssertionError(f'expected {from_stamp} not after {to_stamp}')
        return [msg for stamp, msg in self._held if from_stamp <= stamp <= to_stamp]

    def getElemAfterTime(self, stamp: Time) -> Any:
        """Of the messages stamped at `stamp` or later, the one that came first; or None."""
        return next((msg for time, msg in self._held if time >= stamp), None)

    def getElemBeforeTime(self, stamp: Time) -> Any:
        """Of the messages stamped at `stamp` or sooner, the one that came last; or None."""
        return next((msg for time, msg in reversed(self._held) if time <= stamp), None)

    def getLastestTime(self) -> Time | None:
        """Stamp of the message that came last. So spelled until Kilted."""
        return self._held[-1][0] if self._held else None

    getLatestTime = getLastestTime  # noqa: N815 - its name after Kilted

    def getOldestTime(self) -> Time | None:
        """Stamp of the message that came first of those held."""
        return self._held[0][0] if self._held else None

    def getLast(self) -> Any:
        """The first message stamped no sooner than the one that came last; or None."""
        latest = self.getLastestTime()
        return None if latest is None else self.getElemAfterTime(latest)


try:
    from message_filters import Cache, Subscriber
except ImportError:
    Cache, Subscriber = StandInCache, StandInSubscriber

__all__ = ['Cache', 'StandInCache', 'StandInFilter', 'StandInSubscriber', 'Subscriber']
