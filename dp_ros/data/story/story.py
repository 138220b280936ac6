"""What happened in an episode, thinned out so far that it can be drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dp_ros.core.stamped import Array
from dp_ros.data.audit.conduct import Stretch
from dp_ros.data.pictures import Pixels

Span = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A number over time: times (n,) and values (n,)."""

    label: str
    times: Array
    values: Array
    commanded: bool = False


@dataclass(frozen=True)
class Story:
    """One episode; its time begins at 0 and is counted in `unit` ('s', or 'steps' of a grid).

    film: camera -> (time, frame (H, W, 3) RGB), evenly spaced. panels: what is drawn over one
    another, by title. marks: begin and end of what occurred, by name; equal for a moment.
    """

    title: str
    unit: str
    end: float
    film: Mapping[str, Sequence[tuple[float, Pixels]]]
    panels: Mapping[str, Sequence[Curve]]
    stretches: tuple[Stretch, ...] = ()
    marks: Mapping[str, Sequence[Span]] = field(default_factory=dict)


def unit_of(component: str) -> str:
    """Unit of a component of a pose, or of a joint; '' for the numbers of a 6D rotation."""
    if component in ('x', 'y', 'z'):
        return 'm'
    return '' if component[:1] == 'r' and component[1:].isdigit() else 'rad'
