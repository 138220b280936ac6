"""A replay in which nothing happened has shown nothing: it fails, with the reasons."""

from collections import Counter

from dp_ros.replay.lockstep import EXPLAINED
from dp_ros.replay.replay import Replay

LARGEST_REFUSED_SHARE = 0.5


class ReplayError(ValueError):
    """A replay that proves nothing, or proves the policy wrong; the text says why."""


def refused_share(replay: Replay) -> float:
    """Share of the policy's steps without a plan: a refusal costs one, a plan makes T_a."""
    refused = sum(replay.outcome.refusals.values())
    made = len(replay.outcome.planned) * replay.task.horizons.action
    return refused / (refused + made) if refused else 0.0


def require_substance(replay: Replay, allow_refusals: bool) -> None:
    """Raise ReplayError for an empty pass, or one in which most windows were refused."""
    outcome, name = replay.outcome, replay.bag
    if not replay.recording.stretches:
        raise ReplayError(
            f'{name}: nobody commanded the arm in it (no mode policy or teleoperated on '
            f'/executor/mode, no /executor/command); there is nothing to replay'
        )
    if not outcome.planned:
        raise ReplayError(f'{name} gave no window to plan from: {_why(replay)}')
    if not outcome.verdicts['accepted']:
        told = [f'{n} {EXPLAINED[verdict]}' for verdict, n in sorted(outcome.verdicts.items())]
        refused = [f'arming was refused: {text}' for text in outcome.refused_arming]
        raise ReplayError(
            f'{name}: no chunk was accepted by the executor: {"; ".join(told + refused)}'
        )
    if not outcome.commands:
        raise ReplayError(f'{name}: no command would have been sent to the arm')
    share = refused_share(replay)
    if share > LARGEST_REFUSED_SHARE and not allow_refusals:
        raise ReplayError(
            f'{name}: windows were refused for {share:.0%} of the time: {_why(replay)}. Mend the '
            f'recording, or pass --allow-refusals'
        )


def counted(counts: Counter[str]) -> str:
    """'3 of this, 2 of that', the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ', '.join(f'{count} {name}' for name, count in ordered)


def _why(replay: Replay) -> str:
    outcome = replay.outcome
    reasons = [f'refused: {counted(outcome.refusals)}'] if outcome.refusals else []
    reasons += outcome.troubles
    if outcome.lost:
        reasons.append(f'messages dropped on purpose: {counted(outcome.lost)}')
    seconds = sum(s.end_ns - s.begin_ns for s in replay.recording.stretches) / 1e9
    return '; '.join(reasons) or f'the arm was commanded for {seconds:.2f} s only'
