"""Figures against thresholds: a sentence for each one exceeded."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dp_ros.data.audit.figures import Audit
from dp_ros.data.audit.streams import Spread, StreamFigures
from dp_ros.data.audit.thresholds import Thresholds
from dp_ros.data.audit.windows import WindowFigures
from dp_ros.data.topic_names import COMMAND


def complaints(audit: Audit, allowed: Thresholds) -> tuple[str, ...]:
    """Every threshold that `audit` exceeds, with the stream, the value and the threshold."""
    return (
        *_episode(audit, allowed),
        *_windows(audit.windows, allowed),
        *(said for stream in audit.streams for said in _stream(stream, allowed)),
        *_conduct(audit, allowed),
    )


def with_copies(audits: Sequence[Audit]) -> list[Audit]:
    """The same audits; one that repeats the samples of an earlier one complains of it."""
    first: dict[str, Audit] = {}
    told = []
    for audit in audits:
        original = first.setdefault(audit.fingerprint, audit)
        if original is not audit:
            copy = f'holds the same samples as {original.folder}: one of them is a copy'
            audit = replace(audit, complaints=(*audit.complaints, copy))
        told.append(audit)
    return told


def _episode(audit: Audit, allowed: Thresholds) -> Iterator[str]:
    if audit.outcome not in allowed.outcomes:
        yield f'outcome {audit.outcome}; trained on are {", ".join(allowed.outcomes)}'
    if not audit.commands:
        yield f'{COMMAND} holds no message: there is no action to train on'


def _windows(windows: WindowFigures, allowed: Thresholds) -> Iterator[str]:
    if not windows.asked:
        yield 'too short for one window'
    elif windows.lost > allowed.windows_lost:
        often = sorted(windows.refused.items(), key=lambda item: -item[1])
        why = ', '.join(f'{name} {count}' for name, count in often)
        lost = _percent('windows that cannot be had', windows.lost, allowed.windows_lost)
        yield f'{lost} ({why})'


def _stream(stream: StreamFigures, allowed: Thresholds) -> Iterator[str]:
    name = stream.name
    if stream.drops > allowed.drops:
        yield _percent(f'{name}: missing samples', stream.drops, allowed.drops)
    if stream.unstored:
        yield f'{name}: {stream.unstored} messages did not reach the disk; 0 allowed'
    if stream.gap_ms > allowed.gap_ms:
        yield _time(f'{name}: largest gap', stream.gap_ms, allowed.gap_ms)
    yield from _spread(f'{name}: latency', stream.latency, allowed.latency_ms)
    yield from _spread(f'{name}: frames before the grid', stream.skew, allowed.skew_ms)
    shares = {
        'stamps seen before': (stream.duplicates, allowed.duplicates),
        'samples out of order': (stream.out_of_order, allowed.out_of_order),
        'frames equal to the one before': (stream.frozen, allowed.frozen),
        'unreadable messages': (stream.malformed, allowed.malformed),
    }
    for what, (count, threshold) in shares.items():
        if stream.share(count) > threshold:
            yield _percent(f'{name}: {what}', stream.share(count), threshold)


def _conduct(audit: Audit, allowed: Thresholds) -> Iterator[str]:
    yield from _spread('frames of two cameras apart', audit.windows.between, allowed.skew_ms)
    if audit.idle_longest_s > allowed.idle_s:
        yield f'idle for {audit.idle_longest_s:.1f} s at a time; {allowed.idle_s:.1f} s allowed'
    if audit.idle_share > allowed.idle:
        yield _percent('idle while commanded', audit.idle_share, allowed.idle)
    if audit.limited_share > allowed.limited:
        name = max(audit.limited, key=audit.limited.__getitem__)
        yield _percent(f'at the limit {name}', audit.limited_share, allowed.limited)
    chunks = sum(audit.chunks.values())
    if chunks and audit.chunks_refused / chunks > allowed.chunks_refused:
        yield _percent('chunks refused', audit.chunks_refused / chunks, allowed.chunks_refused)
    if audit.protective_stops > allowed.protective_stops:
        yield f'{audit.protective_stops} protective stops; {allowed.protective_stops} allowed'


def _percent(what: str, value: float, threshold: float) -> str:
    return f'{what} {value:.1%}; {threshold:.1%} allowed'


def _time(what: str, value_ms: float, threshold_ms: float) -> str:
    return f'{what} {value_ms:.0f} ms; {threshold_ms:.0f} ms allowed'


def _spread(what: str, spread: Spread | None, threshold_ms: float) -> Iterator[str]:
    if spread is not None and spread.p99 > threshold_ms:
        yield _time(f'{what}, 99th percentile,', spread.p99, threshold_ms)
