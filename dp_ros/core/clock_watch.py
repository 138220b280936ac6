"""Whether the clock that waypoints are due by runs as steadily as time itself."""

from dataclasses import dataclass

# It is looked at over stretches of this length.
STRETCH_NS = 500_000_000
# Who slept for longer hears a clock's own messages late, and cannot tell for as long.
SLEPT_NS = 100_000_000
# Simulators and players of bags tell the time in steps, and a busy one falls behind.
TOLERATED_NS = 400_000_000


@dataclass
class ClockWatch:
    """speed: how fast the clock runs where all is well."""

    speed: float = 1.0
    _clock_ns: int = 0  # where the stretch began
    _steady_ns: int = 0
    _newest_ns: int = 0  # the last reading, and since when it stands there
    _since_ns: int = 0
    _looked_ns: int = 0
    _deaf_until_ns: int = -1

    def fault(self, clock_ns: int, steady_ns: int) -> str:
        """What is wrong, said once a stretch; '' while all is well.

        clock_ns: the time of the graph; steady_ns: a time that never jumps, at the same moment.
        Called each control period.
        """
        if steady_ns - self._looked_ns > SLEPT_NS:
            self._deaf_until_ns = steady_ns + SLEPT_NS
        self._looked_ns = steady_ns
        if clock_ns != self._newest_ns:
            self._newest_ns, self._since_ns = clock_ns, steady_ns
        if steady_ns < self._deaf_until_ns:
            self._since_ns = steady_ns
            return self._anew(clock_ns, steady_ns)
        if steady_ns - self._since_ns > TOLERATED_NS:
            stood_s, self._since_ns = (steady_ns - self._since_ns) / 1e9, steady_ns
            return self._anew(clock_ns, steady_ns, f'it stood still for {stood_s:.1f} s')
        passed = steady_ns - self._steady_ns
        ahead = clock_ns - self._clock_ns - round(self.speed * passed)
        if abs(ahead) > TOLERATED_NS * max(1.0, self.speed):
            return self._anew(clock_ns, steady_ns, f'by {ahead / 1e9:+.1f} s')
        return self._anew(clock_ns, steady_ns) if passed > STRETCH_NS else ''

    def _anew(self, clock_ns: int, steady_ns: int, fault: str = '') -> str:
        self._clock_ns, self._steady_ns = clock_ns, steady_ns
        return fault
