"""The simulated controller keeps absolute deadlines, and gives up time it has lost."""

import asyncio
import time

from dp_ros.sim.ur_controller import LATE_TICKS, URController
from tests.ur_peer import KinematicPlant


class SlowPlant(KinematicPlant):
    """A plant that sleeps once, at its tenth period."""

    periods = 0

    def advance(self, joint_setpoint, duration_s):
        self.periods += 1
        if self.periods == 10:
            time.sleep(0.2)
        super().advance(joint_setpoint, duration_s)


def ticks_in(duration_s, plant, real_time=True):
    """Ticks of a CB3 controller (125 Hz) in this time, and the time that it really ran."""

    async def run():
        controller = URController(plant, series='CB3')
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(duration_s, stop.set)
        start = time.monotonic()
        await controller.run(stop, real_time)
        return controller.ticks, time.monotonic() - start

    return asyncio.run(run())


def test_real_time_is_never_overtaken():
    ticks, elapsed_s = ticks_in(0.4, KinematicPlant())
    # The lower bound is loose: the machine may be busy.
    assert 0.3 * elapsed_s * 125 < ticks <= elapsed_s * 125 + 1


def test_time_lost_beyond_a_few_ticks_is_not_made_up():
    ticks, elapsed_s = ticks_in(0.5, SlowPlant())
    assert 10 < ticks <= (elapsed_s - 0.2) * 125 + LATE_TICKS + 2


def test_without_real_time_it_runs_as_fast_as_it_can():
    ticks, elapsed_s = ticks_in(0.2, KinematicPlant(), real_time=False)
    assert ticks > 2 * elapsed_s * 125
