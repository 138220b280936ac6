"""Why there is no observation window: a reason with a name, the stream, and what tells it."""

import enum
from dataclasses import dataclass


class Refusal(enum.Enum):
    """Why there is no window."""

    MISSING = 'no sample has come'
    NOT_COVERED = 'the anchor is not covered yet'
    GAP = 'two neighbouring samples lie too far apart'
    SKEW = 'no frame lies close enough before a grid time'
    BEFORE_FIRST = 'the window begins before the first sample'
    STALE = 'the newest sample is too old'
    JUMP = 'the stamps have jumped'
    MALFORMED = 'a message is not what the task expects'
    BLACK = 'the frames are black'
    FROZEN = 'the same pixels come under new stamps'


@dataclass(frozen=True)
class Refused:
    """No window: the reason, the stream that is to blame, and what tells it."""

    reason: Refusal
    stream: str
    detail: str

    def __str__(self) -> str:
        return f'{self.stream}: {self.reason.value} ({self.detail})'
