"""Every pair of mode and event."""

from itertools import product

import pytest

from dp_ros.core.mode import Event, Mode, ModeState

IDLE, POLICY, TELEOP, HOLD, STOP, FAULT = Mode

# Rows: events; columns: the mode after it, from each mode in the order above.
TABLE = {
    Event.ARM: (POLICY, POLICY, TELEOP, POLICY, POLICY, FAULT),
    Event.HOLD: (IDLE, HOLD, HOLD, HOLD, STOP, FAULT),
    Event.TAKEN_OVER: (TELEOP, TELEOP, TELEOP, TELEOP, STOP, FAULT),
    Event.GIVEN_BACK: (IDLE, POLICY, POLICY, HOLD, STOP, FAULT),
    Event.LET_GO: (IDLE, POLICY, HOLD, HOLD, STOP, FAULT),
    Event.STARVED: (IDLE, HOLD, TELEOP, HOLD, STOP, FAULT),
    Event.POLICY_LOST: (IDLE, HOLD, TELEOP, HOLD, STOP, FAULT),
    Event.REFUSED: (IDLE, HOLD, TELEOP, HOLD, STOP, FAULT),
    Event.CONTROLLER_STOPPED: (IDLE, STOP, STOP, STOP, STOP, FAULT),
    Event.LINK_LOST: (FAULT, FAULT, FAULT, FAULT, FAULT, FAULT),
    Event.RELEASED: (IDLE, IDLE, IDLE, IDLE, IDLE, IDLE),
}


def test_the_table_knows_every_mode_and_event():
    assert set(TABLE) == set(Event)
    assert {len(row) for row in TABLE.values()} == {len(Mode)}


@pytest.mark.parametrize(('event', 'mode'), list(product(Event, Mode)))
def test_every_event_in_every_mode(event, mode):
    before = ModeState(mode, 'before')
    after = before.after(event, 'detail')
    assert after.mode is TABLE[event][list(Mode).index(mode)]
    if after.mode is mode:
        assert after is before  # what means nothing does not hide the reason of the mode
    else:
        assert after.reason == f'{event.value}: detail'
        assert before.after(event).reason == event.value
        assert before.allows(event)
    assert after.streaming == (after.mode in (POLICY, TELEOP, HOLD))


def test_only_arming_and_the_operator_hand_the_arm_to_the_policy():
    leads = {
        e
        for e, m in product(Event, Mode)
        if ModeState(m).after(e).mode is POLICY and m is not POLICY
    }
    assert leads == {Event.ARM, Event.GIVEN_BACK}


def test_a_fresh_executor_is_idle_and_sends_nothing():
    assert ModeState().mode is Mode.IDLE
    assert not ModeState().streaming
