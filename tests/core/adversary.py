"""Streams of requests that nobody should send."""

import numpy as np
from scipy.spatial.transform import Rotation

KINDS = (
    'steps', 'walk', 'oscillating', 'huge', 'corners', 'broken', 'braking', 'ramp', 'twist',
    'unreachable',
)  # fmt: skip


def requests(made, begin, rng, ticks, dt, kinds=KINDS):
    """Requests for a stream that begins at `begin`, None where the brake is asked for."""
    n = len(made.axes.low)
    low, high = made.axes.low, made.axes.high
    if not made.pose:
        low, high = np.maximum(low, begin - 1.5), np.minimum(high, begin + 1.5)
    left, kind, target = 0, '', begin
    for tick in range(ticks):
        if left == 0:
            kind, left = rng.choice(kinds), int(rng.integers(1, 50))
            spread = rng.choice([0.0, 0.5])
            target = low + (high - low) * rng.uniform(-spread, 1 + spread, n)
            if made.pose:
                target = np.append(target, attitude(begin, rng).as_quat())
            period, speed, spin = rng.integers(1, 20), rng.normal(0, 0.5, n), rng.normal(0, 1, 3)
        left -= 1
        request = target.copy()
        if kind == 'walk':
            target[:n] += rng.normal(0, 0.01, n)
        elif kind == 'oscillating':
            request[:n] += 0.3 * (-1) ** (tick // period)
        elif kind == 'huge':
            request[:n] = rng.choice([-1e300, 1e300, 1e9], n)
        elif kind == 'corners':
            request[:n] = rng.choice([made.axes.low, made.axes.high])
        elif kind == 'broken':
            request[rng.integers(len(request))] = rng.choice([np.nan, np.inf, -np.inf, 1e300])
            request[n:] = 0 if rng.random() < 0.3 else request[n:]
        elif kind in ('ramp', 'twist'):
            target[:n] += speed * dt
            if made.pose and kind == 'twist':
                turned = Rotation.from_rotvec(spin * dt) * Rotation.from_quat(target[3:])
                target[3:] = turned.as_quat()
        elif kind == 'unreachable' and made.pose:
            request = np.array([0.05, 0.0, 1.5, *begin[3:]])
        yield None if kind == 'braking' else request


def attitude(begin, rng):
    """Mostly that of the beginning, or near it; sometimes any."""
    kept, draw = Rotation.from_quat(begin[3:]), rng.random()
    if draw < 0.4:
        return kept
    if draw < 0.8:
        return Rotation.from_rotvec(rng.normal(0, 0.4, 3)) * kept
    return Rotation.random(random_state=rng)
