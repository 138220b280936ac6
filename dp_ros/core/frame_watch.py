"""A camera that looks alive but shows nothing new: black frames, or the same one again and again.

A sensor's noise changes some pixel of every frame, even where nothing moves. The same pixels under
new stamps are an old picture that something repeats.
"""

from dp_ros.core.refusal import Refusal
from dp_ros.core.stream_buffer import JUMP_NS

PATIENCE_NS = 1_000_000_000
# Mean of all channels, 0..255. A covered lens stays below 3, a dim room well above 15.
BLACK_BELOW = 8.0


class FrameWatch:
    """Told of each frame of one camera, it says what is wrong with them, if anything."""

    def __init__(self, patience_ns: int = PATIENCE_NS, black_below: float = BLACK_BELOW) -> None:
        self._patience_ns, self._black_below = patience_ns, black_below
        self._newest_ns: int | None = None
        self._digest = 0
        self._same_since_ns = 0
        self._dark_since_ns: int | None = None

    def look(self, stamp_ns: int, digest: int, brightness: float) -> Refusal | None:
        """BLACK or FROZEN once it has lasted for the patience, else None.

        digest: of the frame's pixels; brightness: their mean, 0..255. A frame that is not newer
        than the one before changes nothing; one that is older by more than a jump begins anew.
        """
        if self._newest_ns is None or stamp_ns < self._newest_ns - JUMP_NS:
            self._same_since_ns, self._digest, self._dark_since_ns = stamp_ns, digest, None
        elif stamp_ns <= self._newest_ns:
            return self._verdict(self._newest_ns)
        self._newest_ns = stamp_ns
        if digest != self._digest:
            self._digest, self._same_since_ns = digest, stamp_ns
        if brightness >= self._black_below:
            self._dark_since_ns = None
        elif self._dark_since_ns is None:
            self._dark_since_ns = stamp_ns
        return self._verdict(stamp_ns)

    def _verdict(self, stamp_ns: int) -> Refusal | None:
        dark = self._dark_since_ns
        if dark is not None and stamp_ns - dark >= self._patience_ns:
            return Refusal.BLACK
        if stamp_ns - self._same_since_ns >= self._patience_ns:
            return Refusal.FROZEN
        return None
