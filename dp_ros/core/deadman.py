"""Who holds the deadman commands; who lets go, falls silent or talks nonsense does not.

    not seen released -> released <-> pressed
                            ^            |  the input was silent for longer than the timeout
                            +--- lost <--+

The deadman must be seen released before it counts as pressed: at the start, and after silence.
"""

from dataclasses import dataclass

from dp_ros.core.stamped import Sample
from dp_ros.core.teleop import STANDSTILL, InputError, Reading, Slew, TwistMap

# Each step of the speed buttons, and how far down they go, as a share of the full speed.
STEP, SLOWEST = 2.0, 0.1


@dataclass(frozen=True)
class Buttons:
    """Numbers of the device's buttons; None: the device has none for that.

    Without a button for faster, the one for slower begins anew at full speed.
    """

    deadman: int
    slower: int | None = None
    faster: int | None = None


class Operator:
    """The person at a device: `hear` what it says, and `tick` at a fixed rate for the twists.

    A tick answers with a twist while the deadman is pressed, once with standstill when that ends,
    and otherwise with None: nobody commands. Times are in ns of ROS time.
    """

    def __init__(
        self, twist_map: TwistMap, slew: Slew, buttons: Buttons, timeout_ns: int, period_s: float
    ) -> None:
        self._map, self._slew, self._buttons = twist_map, slew, buttons
        self._timeout_ns, self._period_s = timeout_ns, period_s
        self._may_press = self._pressed = self._down = self._commanding = False
        self._stamp_ns = 0
        self._wanted = self._twist = STANDSTILL
        self._held: set[int] = set()
        self.speed_scale = 1.0

    @property
    def pressed(self) -> bool:
        """Whether the person commands."""
        return self._pressed

    @property
    def must_release(self) -> bool:
        """Whether the deadman was last heard pressed, but does not count until released."""
        return self._down and not self._may_press

    def hear(self, reading: Reading, stamp_ns: int, now_ns: int) -> None:
        """Take a reading that tells the state at `stamp_ns`; InputError where it counts as none.

        Letting go counts however old the reading is, and whatever else is wrong with it.
        """
        self._require_buttons(reading)
        self._down = reading.buttons[self._buttons.deadman]
        if not self._down:
            self._may_press, self._pressed = True, False
        else:
            self._require_fresh(now_ns - stamp_ns)
            self._wanted = self._map(reading)
            self._pressed = self._may_press
            self._stamp_ns = min(stamp_ns, now_ns)
        self._set_speed(reading)

    def tick(self, now_ns: int) -> Sample | None:
        """What to command now: a twist (6,), stamped with the input it rests on; or nothing."""
        if self._pressed and abs(now_ns - self._stamp_ns) > self._timeout_ns:
            self.let_go()
        if self._pressed:
            wanted = self._wanted * self.speed_scale
            self._twist = self._slew(self._twist, wanted, self._period_s)
            self._commanding = True
            return Sample(self._stamp_ns, self._twist)
        if self._commanding:
            self._commanding, self._twist = False, STANDSTILL
            # Standing still rests on what is not heard now; an older stamp might pass for stale.
            return Sample(now_ns, STANDSTILL)
        return None

    def let_go(self) -> None:
        """The input is lost: as if released, until it really was and is pressed anew."""
        self._pressed = self._may_press = False

    def _require_buttons(self, reading: Reading) -> None:
        wanted = (self._buttons.deadman, self._buttons.slower, self._buttons.faster)
        highest = max(index for index in wanted if index is not None)
        if highest >= len(reading.buttons):
            raise InputError(
                f'button {highest} is needed, and the device sends {len(reading.buttons)} '
                f'(counted from 0); name another one in the device file'
            )

    def _require_fresh(self, age_ns: int) -> None:
        if abs(age_ns) > self._timeout_ns:
            raise InputError(
                f'the input is stamped {abs(age_ns) / 1e9:.2f} s '
                f'{"ago" if age_ns > 0 else "ahead"}, expected within '
                f'{self._timeout_ns / 1e9:.2f} s; see that the clocks of the machines agree'
            )

    def _set_speed(self, reading: Reading) -> None:
        """A step for each button that was not pressed a moment ago."""
        factors = {self._buttons.slower: 1 / STEP, self._buttons.faster: STEP}
        held = {i for i in factors if i is not None and reading.buttons[i]}
        for index in held - self._held:
            if self._buttons.faster is None and self.speed_scale <= SLOWEST:
                self.speed_scale = 1.0
            else:
                self.speed_scale = min(1.0, max(SLOWEST, self.speed_scale * factors[index]))
        self._held = held
