"""Table: success over the action horizon T_a, and over the delay of chunks."""

from collections.abc import Sequence
from typing import Any

from dp_ros.commands.evidence.evaluation import Evaluation, Starts, figures
from dp_ros.commands.evidence.jobs import Job, Record, grouped
from dp_ros.commands.evidence.sources import Shipped
from dp_ros.paths import share

TABLE = 'horizons'
ACTION_STEPS = (1, 2, 4, 8, 12, 15)
"""15 is the most: of 16 predicted actions the first is that of the step before."""
DELAYS = (0, 1, 2, 3, 4)
VARIED = {
    'action_steps': ('--action-steps', ACTION_STEPS),
    'delay_steps': ('--delay-steps', DELAYS),
}


def jobs(starts: Starts) -> list[Job]:
    """The shipped policy, whose T_a is 8."""
    policy = Shipped(share('models', 'pusht_gym'))
    return [
        Evaluation(
            TABLE,
            (('varied', varied), ('value', value)),
            policy,
            starts,
            (option, str(value)),
        )
        for varied, (option, values) in VARIED.items()
        for value in values
    ]


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Those of T_a before those of the delay, each rising."""
    groups = sorted(grouped(records, 'varied', 'value').items(), key=lambda item: item[0])
    return [
        {'varied': varied, 'value': value, **figures(found)} for (varied, value), found in groups
    ]
