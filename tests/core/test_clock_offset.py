"""The offset of two clocks from stamps: what is proved, what latency hides, what is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from dp_ros.core.clock_offset import WINDOW_NS, ClockOffset, LeastAge, PolicyClock

S, MS = 1_000_000_000, 1_000_000
BEGIN_NS = 10**15
PERIOD_NS = 100 * MS

offsets = st.integers(-3 * S, 3 * S)
tolerances = st.integers(MS, 500 * MS)


def in_order(drawn):
    """Latencies [ns] of messages, one every period, none of which overtakes another."""
    found, arrival = [], 0
    for i, latency in enumerate(drawn):
        arrival = max(arrival, i * PERIOD_NS + latency)
        found.append(arrival - i * PERIOD_NS)
    return found


latencies = st.lists(st.integers(0, 300 * MS), min_size=1, max_size=40).map(in_order)


def exchanged(ahead_ns, to_policy, to_executor, echoes=True):
    """(PolicyClock, now) of an executor after messages each way took these latencies [ns]."""
    ages, clock, now = LeastAge(), PolicyClock(), BEGIN_NS
    for i, latency in enumerate(to_policy):
        sent = BEGIN_NS + i * PERIOD_NS
        ages.add(sent, sent + latency + ahead_ns)
    reported = BEGIN_NS + len(to_policy) * PERIOD_NS
    echo = ages.value_ns(reported + ahead_ns) if echoes else None
    for i, latency in enumerate(to_executor):
        now = reported + i * PERIOD_NS + latency
        clock.heard(reported + i * PERIOD_NS + ahead_ns, echo, now)
    return clock, now


@given(offsets, tolerances, latencies, latencies)
def test_an_offset_is_told_iff_it_exceeds_the_tolerance_and_what_latency_hides(
    ahead, tolerance, to_policy, to_executor
):
    clock, now = exchanged(ahead, to_policy, to_executor)
    fault = clock.offset(now).fault(tolerance)
    beyond = ahead - min(to_executor) > tolerance or -ahead - min(to_policy) > tolerance
    assert bool(fault) == beyond
    if fault:
        assert ('ahead' if ahead > 0 else 'behind') in fault


@given(offsets, latencies, latencies)
def test_the_bounds_hold_the_offset_and_are_as_far_apart_as_the_fastest_messages_took(
    ahead, to_policy, to_executor
):
    clock, now = exchanged(ahead, to_policy, to_executor)
    found = clock.offset(now)
    assert found.least_ns <= ahead <= found.most_ns
    assert found.most_ns - found.least_ns == min(to_policy) + min(to_executor)
    assert abs(found.proved_ns) <= abs(ahead)


@given(offsets, tolerances, latencies)
def test_one_direction_alone_proves_only_a_stamp_from_the_future(ahead, tolerance, to_executor):
    clock, now = exchanged(ahead, [0], to_executor, echoes=False)
    fault = clock.offset(now).fault(tolerance)
    assert bool(fault) == (ahead - min(to_executor) > tolerance)


@given(
    st.lists(st.tuples(st.integers(0, S), st.integers(-S, S)), min_size=1, max_size=20),
    st.integers(0, S),
)
def test_the_least_age_is_that_of_the_window(steps, later):
    ages, now, known = LeastAge(), BEGIN_NS, []
    for passed, age in steps:
        now += passed
        ages.add(now - age, now)
        known.append((now, age))
    now += later
    held = [age for arrival, age in known if arrival >= now - WINDOW_NS]
    assert ages.value_ns(now) == min(held, default=None)


def test_a_clock_that_is_set_right_is_believed_after_the_window():
    clock, now = exchanged(400 * MS, [MS], [MS])
    assert clock.offset(now).fault(50 * MS) == (
        "the policy's is 0.40 s ahead, 0.05 s allowed; synchronise them (chrony, PTP)"
    )
    for i in range(80):
        at = now + i * PERIOD_NS
        clock.heard(at - MS, MS, at)
        assert bool(clock.offset(at).fault(50 * MS)) == (at <= now + WINDOW_NS), i


def test_a_policy_that_reports_no_more_is_forgotten():
    clock, now = exchanged(-400 * MS, [MS], [MS])
    assert 'behind' in clock.offset(now).fault(50 * MS)
    assert clock.offset(now + WINDOW_NS + 1) == ClockOffset()


def test_messages_from_before_the_own_clock_was_set_back_are_void():
    ages = LeastAge()
    ages.add(BEGIN_NS, BEGIN_NS + MS)
    ages.add(BEGIN_NS - 60 * S, BEGIN_NS - 60 * S + 9 * MS)
    assert ages.value_ns(BEGIN_NS - 60 * S + 9 * MS) == 9 * MS
