"""Every pair of mode and event, of mode and report, of mode and call."""

from itertools import product

import pytest

from dp_ros.core.mode import (
    ACCEPTED,
    ADVICE,
    CONTROLLER_STOPS,
    STOPPED_BY,
    STOPS,
    Call,
    Event,
    Mode,
    ModeState,
    standstill,
)
from dp_ros.core.robot import ArmStatus
from tests.ur_peer import ROOT

IDLE, POLICY, TELEOP, HOLD, BACK, *REST = Mode
PROTECTIVE, FAULT = Mode.PROTECTIVE_STOP, Mode.FAULT

# Rows: events; columns: the mode after it from idle, policy, teleoperated, holding, recovering, a
# stop of the controller, a protective stop, and a lost link. None: the mode stays.
TABLE = {
    Event.ARM: (POLICY, None, None, POLICY, None, POLICY, POLICY, None),
    Event.HOLD: (None, HOLD, HOLD, None, HOLD, None, None, None),
    Event.TAKEN_OVER: (TELEOP, TELEOP, None, TELEOP, None, None, None, None),
    Event.GIVEN_BACK: (None, None, POLICY, None, None, None, None, None),
    Event.LET_GO: (None, None, HOLD, None, None, None, None, None),
    Event.STARVED: (None, HOLD, None, None, None, None, None, None),
    Event.POLICY_LOST: (None, HOLD, None, None, None, None, None, None),
    Event.BLIND: (None, HOLD, None, None, None, None, None, None),
    Event.REFUSED: (None, HOLD, None, None, None, None, None, None),
    Event.CLOCK_JUMPED: (None, HOLD, HOLD, None, None, None, None, None),
    Event.CLOCKS_DIFFER: (None, HOLD, None, None, None, None, None, None),
    Event.UNKNOWN_STATE: (None, HOLD, HOLD, None, HOLD, None, None, None),
    Event.LINK_LOST: (FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, None),
    Event.RECOVERED: (None, None, None, None, None, HOLD, HOLD, HOLD),
    Event.MOVED_BACK: (None, None, None, None, None, None, BACK, None),
    Event.ARRIVED: (None, None, None, None, HOLD, None, None, None),
    Event.RELEASED: (None, None, None, IDLE, None, None, None, None),
}
COLUMNS = (IDLE, POLICY, TELEOP, HOLD, BACK, 'stop', PROTECTIVE, FAULT)

Y, N = True, False
# The same columns: whether the call is accepted.
CALLS = {
    Call.ARM: (Y, N, N, Y, N, Y, Y, N),
    Call.TELEOPERATE: (Y, Y, Y, Y, N, N, N, N),
    Call.RECOVER: (N, N, N, N, N, Y, Y, Y),
    Call.HOLD: (Y, Y, Y, Y, Y, Y, Y, Y),
    Call.RELEASE: (Y, Y, Y, Y, Y, Y, Y, Y),
}


def column(mode):
    return COLUMNS.index(mode if mode in COLUMNS else 'stop')


def test_the_tables_know_every_mode_event_status_and_call():
    assert set(TABLE) == set(Event)
    assert set(CALLS) == set(ACCEPTED) == set(Call)
    assert {len(row) for row in (*TABLE.values(), *CALLS.values())} == {len(COLUMNS)}
    assert set(ADVICE) == set(Mode)
    assert set(STOPPED_BY) == set(ArmStatus) - {ArmStatus.RUNNING}
    assert set(REST) == set(STOPS) == {*CONTROLLER_STOPS, FAULT}


@pytest.mark.parametrize(('event', 'mode'), list(product(Event, Mode)))
def test_every_event_in_every_mode(event, mode):
    before = ModeState(mode, 'before')
    after = before.after(event, 'detail')
    expected = TABLE[event][column(mode)]
    if expected is None:
        assert after is before  # what means nothing does not hide the reason of the mode
    else:
        assert after.mode is expected
        assert after.reason == f'{event.value}: detail'
        assert before.after(event).reason == event.value
    assert after.streaming == (after.mode in (POLICY, TELEOP, HOLD, BACK))


@pytest.mark.parametrize(('call', 'mode'), list(product(Call, Mode)))
def test_every_call_in_every_mode(call, mode):
    refusal = ModeState(mode, 'for a reason').refusal(call)
    assert (refusal == '') == CALLS[call][column(mode)]
    if refusal:
        assert refusal == (
            f'cannot {call.value} in mode {mode.value}: for a reason; {ADVICE[mode]}'
        )


@pytest.mark.parametrize(('status', 'mode'), list(product(ArmStatus, Mode)))
def test_every_report_in_every_mode(status, mode):
    before = ModeState(mode, 'before')
    after = before.seeing(status, 'detail')
    if status is ArmStatus.RUNNING:
        assert after is before  # that the arm runs again is no reason to do anything
        return
    target = STOPPED_BY[status]
    graver = mode not in STOPS or STOPS.index(target) > STOPS.index(mode)
    assert after.mode is (target if graver else mode)
    if graver:
        assert 'detail' in after.reason
    else:
        assert after is before


@pytest.mark.parametrize('status', ArmStatus)
def test_a_standstill_names_its_cause_and_the_service_to_call(status):
    text = standstill(status, 'button pressed')
    if status is ArmStatus.RUNNING:
        assert text == ''
    else:
        assert status.value in text
        assert 'button pressed' in text
        assert '/executor/recover' in text


def test_only_arming_and_the_operator_hand_the_arm_to_the_policy():
    leads = {
        e
        for e, m in product(Event, Mode)
        if ModeState(m).after(e).mode is POLICY and m is not POLICY
    }
    assert leads == {Event.ARM, Event.GIVEN_BACK}


def test_nothing_but_a_person_leads_out_of_a_stop():
    leads = {e for e, m in product(Event, STOPS) if ModeState(m).after(e).mode not in STOPS}
    assert leads == {Event.ARM, Event.RECOVERED, Event.MOVED_BACK}


def test_a_fresh_executor_is_idle_and_sends_nothing():
    assert ModeState().mode is Mode.IDLE
    assert not ModeState().streaming


def test_the_page_about_stops_tells_of_every_mode():
    page = (ROOT / 'docs' / 'stops.md').read_text()
    missing = [mode.value for mode in Mode if f'| `{mode.value}` |' not in page]
    assert not missing
