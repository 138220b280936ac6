"""The probe's sentences, against a simulated controller in the same event loop."""

import asyncio

import pytest

from dp_ros.hardware.arm import ArmError
from dp_ros.hardware.ur_probe import probe
from dp_ros.sim.ur_controller import URController
from tests.loopback import free_address
from tests.ur_peer import KinematicPlant


def ask(prepare, series='e-Series'):
    """Probe a controller that `prepare` has put into some state."""

    async def run():
        controller = URController(KinematicPlant(), free_address(), series)
        prepare(controller)
        await controller.start()
        stop = asyncio.Event()
        running = asyncio.create_task(controller.run(stop))
        try:
            await asyncio.to_thread(probe, controller.address)
        finally:
            stop.set()
            await running
            await controller.close()

    asyncio.run(run())


def test_a_ready_robot_passes_and_keeps_its_program():
    states = []
    ask(lambda controller: states.append(controller.program_running))
    assert states == [False]


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (lambda c: c.local_control(), 'not in remote control'),
        (lambda c: setattr(c, 'robot_mode', 5), 'IDLE.*release the brakes'),
        (lambda c: c.protective_stop(), 'PROTECTIVE_STOP.*release the stop'),
    ],
)
def test_a_robot_that_is_not_ready_is_refused_with_what_to_do(change, sentence):
    with pytest.raises(ArmError, match=sentence):
        ask(change)


def test_cb3_knows_no_remote_control():
    changed = []

    def local(controller):
        controller.local_control()
        changed.append(controller)

    ask(local, 'CB3')
    assert not changed[0].in_remote_control
