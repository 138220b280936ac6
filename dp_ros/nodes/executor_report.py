"""What the executor says of itself on /diagnostics."""

from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from dp_ros.core.mode import STOPS, Mode
from dp_ros.nodes.arm_loop import ArmLoop

LEVELS = {
    Mode.IDLE: DiagnosticStatus.OK,
    Mode.POLICY: DiagnosticStatus.OK,
    Mode.TELEOPERATED: DiagnosticStatus.OK,
    Mode.HOLDING: DiagnosticStatus.WARN,
    Mode.RECOVERING: DiagnosticStatus.WARN,
    **dict.fromkeys(STOPS, DiagnosticStatus.ERROR),
}


def values(loop: ArmLoop) -> dict[str, Any]:
    """Mode, what the controller reports now, and all counters."""
    stream, state = loop.stream, loop.state
    # Copies: the control thread may count something new meanwhile.
    losses, twists = dict(loop.link_losses), dict(stream.twists)
    verdicts, limited = dict(stream.verdicts), dict(stream.limited)
    return {
        'mode': stream.mode.mode.value,
        'controller': ', '.join(filter(None, (state.status.value, state.detail))),
        'policy_ticks': stream.policy_ticks,
        'idle_ticks': stream.idle_ticks,
        'protective_stops': loop.protective_stops,
        'link_losses': sum(losses.values()),
        'link_lost_by': '; '.join(f'{why}: {n}' for why, n in losses.items()),
        'reconnect_tries': loop.recovery.tries,
        'reconnects': loop.recovery.reconnects,
        **loop.statistics(),
        **{f'twists_{name}': count for name, count in twists.items()},
        'twist_refusal': stream.twist_refusal,
        **{f'chunks_{name}': count for name, count in verdicts.items()},
        **{f'limited_{name}': count for name, count in limited.items()},
    }
