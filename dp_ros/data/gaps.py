"""Silences in a stream, by the times at which its messages came."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from dp_ros import yamlfile

# A silence longer than this many median periods is a gap.
PERIODS = 3


class Gaps(yamlfile.Settings):
    """The silences of one topic in an episode."""

    largest_s: float = Field(ge=0, description='longest time between two messages')
    count: int = Field(ge=0, description='silences of more than three median periods')


def find_gaps(stamps_ns: Sequence[int]) -> Gaps:
    """Stamps (n,) in the order of arrival [ns] -> their gaps; none where n < 2."""
    periods = np.diff(np.asarray(stamps_ns, np.int64))
    if not len(periods):
        return Gaps(largest_s=0.0, count=0)
    count = int((periods > PERIODS * np.median(periods)).sum())
    return Gaps(largest_s=round(float(periods.max()) / 1e9, 4), count=count)
