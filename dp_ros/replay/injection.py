"""Latency, jitter and losses, put between a recording and who receives it, all by seed.

A link does not overtake: messages of one topic stay in their order, however large the jitter.
"""

import heapq
import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dp_ros.data.bag import Recorded

# Half a minute of delay is no link any more, and would hold as much of a bag in memory.
LONGEST_MS = 30_000.0


@dataclass(frozen=True)
class Link:
    """What happens to the messages of one topic on their way.

    latency_ns: added to each; jitter_ns: largest further delay, at random; drop: share lost.
    """

    latency_ns: int = 0
    jitter_ns: int = 0
    drop: float = 0.0


@dataclass(frozen=True)
class Injection:
    """The links: `every` holds for all recorded topics that `topics` does not name."""

    every: Link = Link()
    topics: Mapping[str, Link] = field(default_factory=dict)
    seed: int = 0

    @property
    def nothing(self) -> bool:
        """Whether messages come as they were recorded."""
        return all(link == Link() for link in (self.every, *self.topics.values()))

    def link(self, topic: str) -> Link:
        """The link of a recorded topic."""
        return self.topics.get(topic, self.every)

    def described(self) -> dict[str, Any]:
        """As plain values, for a report."""
        named = {topic: vars(link) for topic, link in sorted(self.topics.items())}
        return {'seed': self.seed, 'every': vars(self.every), **named}


class Fate:
    """What becomes of the messages of one topic, one after the other."""

    def __init__(self, topic: str, link: Link, seed: int) -> None:
        self._link, self._last_ns = link, 0
        self._random = np.random.default_rng([seed, zlib.crc32(topic.encode())])

    def arrival_ns(self, sent_ns: int) -> int | None:
        """When a message sent at `sent_ns` arrives; None if it is lost."""
        delay, luck = self._random.random(2)
        if luck < self._link.drop:
            return None
        arrival = sent_ns + self._link.latency_ns + round(delay * self._link.jitter_ns)
        self._last_ns = max(self._last_ns, arrival)
        return self._last_ns


class Deliveries:
    """Messages in the order of their arrival, with the time of it; memory holds what is under way.

    `lost` counts by topic.
    """

    def __init__(self, messages: Iterable[Recorded], injection: Injection) -> None:
        self.lost: Counter[str] = Counter()
        self._messages, self._injection = messages, injection
        self._fates: dict[str, Fate] = {}

    def __iter__(self) -> Iterator[tuple[int, Recorded]]:
        under_way: list[tuple[int, int, Recorded]] = []
        count = itertools.count()
        for message in self._messages:
            # Whatever comes later in the bag arrives no sooner than now.
            while under_way and under_way[0][0] <= message.received_ns:
                yield _first(under_way)
            arrival = self._fate(message.topic).arrival_ns(message.received_ns)
            if arrival is None:
                self.lost[message.topic] += 1
            else:
                heapq.heappush(under_way, (arrival, next(count), message))
        while under_way:
            yield _first(under_way)

    def _fate(self, topic: str) -> Fate:
        if topic not in self._fates:
            link = self._injection.link(topic)
            self._fates[topic] = Fate(topic, link, self._injection.seed)
        return self._fates[topic]


def _first(under_way: list[tuple[int, int, Recorded]]) -> tuple[int, Recorded]:
    arrival, _, message = heapq.heappop(under_way)
    return arrival, message


def parse(
    latency_ms: Sequence[str], jitter_ms: Sequence[str], drop: Sequence[str], seed: int
) -> Injection:
    """Each of the form VALUE, for every recorded topic, or TOPIC=VALUE; raises ValueError."""
    latencies = _values('--latency-ms', latency_ms, LONGEST_MS)
    jitters = _values('--jitter-ms', jitter_ms, LONGEST_MS)
    drops = _values('--drop', drop, 1.0)

    def link(topic: str) -> Link:
        def of(values: dict[str, float]) -> float:
            return values.get(topic, values.get('', 0.0))

        return Link(round(of(latencies) * 1e6), round(of(jitters) * 1e6), of(drops))

    named = sorted({*latencies, *jitters, *drops} - {''})
    return Injection(link(''), {topic: link(topic) for topic in named}, seed)


def _values(option: str, texts: Sequence[str], most: float) -> dict[str, float]:
    """Topic -> value; the topic of a bare value is ''."""
    found: dict[str, float] = {}
    for text in texts:
        topic, _, number = text.rpartition('=')
        try:
            value = float(number)
        except ValueError:
            value = float('nan')
        if not 0 <= value <= most or (topic and not topic.startswith('/')):
            raise ValueError(
                f'{option} {text}: expected a number from 0 to {most:g}, or one for a single '
                f'topic as in /wrist/color/image_raw=0.5'
            )
        found[topic] = value
    return found
