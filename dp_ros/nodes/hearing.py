"""What a recorder knows of the messages that pass it: rates, losses, and what still holds."""

from collections import Counter, deque
from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message

from dp_ros.nodes import topics
from dp_ros.nodes.raw_listener import Heard
from dp_ros.nodes.recorded_topics import latched
from dp_ros.nodes.topics import Topic

RATE_WINDOW_NS = 2_000_000_000
# A policy says each second who it is.
IDENTITY_AGE_NS = 3_000_000_000


class Hearing:
    """Bookkeeping over `topics`; times are nanoseconds of one clock.

    missed: by topic, how many messages the sequence numbers of their publishers say were sent and
    never came, since it was last cleared; nothing where messages do not say whose they are.
    """

    def __init__(self, topics: Sequence[Topic]) -> None:
        self.missed: Counter[str] = Counter()
        # A few seconds of the fastest stream: the rates count what is younger than the window.
        self._arrivals: dict[str, deque[int]] = {t.name: deque(maxlen=4000) for t in topics}
        self._latched: dict[str, dict[bytes, bytes]] = {t.name: {} for t in topics if latched(t)}
        self._sequences: dict[tuple[str, bytes], int] = {}
        self._identity = (0, '')
        self._bytes = 0

    def note(self, heard: Heard, now_ns: int) -> None:
        """A message came."""
        self._arrivals[heard.topic].append(now_ns)
        self._bytes += len(heard.cdr)
        if heard.publisher and heard.sequence is not None:
            self._count(heard.topic, heard.publisher, heard.sequence)
        if heard.topic in self._latched:
            kept = self._latched[heard.topic]
            kept.pop(heard.publisher, None)
            kept[heard.publisher] = heard.cdr
        if heard.topic == topics.DIAGNOSTICS.name and b'inference' in heard.cdr:
            self._learn_identity(now_ns, heard.cdr)

    def held(self, topic: str, publishers: set[bytes]) -> list[bytes]:
        """The newest message of each of `publishers` on a latched topic, the newest last.

        One that does not say whose it is holds while anybody publishes.
        """
        kept = self._latched.get(topic, {})
        there = publishers | ({b''} if publishers else set())
        return [cdr for publisher, cdr in kept.items() if publisher in there]

    def rates(self, now_ns: int) -> dict[str, float]:
        """Messages a second by topic [Hz]."""
        since, seconds = now_ns - RATE_WINDOW_NS, RATE_WINDOW_NS / 1e9
        return {
            name: sum(stamp > since for stamp in stamps) / seconds
            for name, stamps in self._arrivals.items()
        }

    def take_bytes(self) -> int:
        """Bytes heard since this was last asked."""
        taken, self._bytes = self._bytes, 0
        return taken

    def identity(self, since_ns: int) -> str:
        """The identity of the policy that was there at `since_ns` or later; '' if none was."""
        seen_ns, identity = self._identity
        return identity if seen_ns > since_ns - IDENTITY_AGE_NS else ''

    def _count(self, topic: str, publisher: bytes, sequence: int) -> None:
        due = self._sequences.get((topic, publisher), sequence - 1) + 1
        if sequence > due:
            self.missed[topic] += sequence - due
        self._sequences[topic, publisher] = sequence

    def _learn_identity(self, now_ns: int, cdr: bytes) -> None:
        for status in deserialize_message(cdr, DiagnosticArray).status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name == 'inference' and 'identity' in values:
                self._identity = (now_ns, values['identity'])
