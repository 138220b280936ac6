"""A person's device: what its deflections mean, how the twist follows, and who commands when."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.core.deadman import SLOWEST, Buttons, Operator
from dp_ros.core.teleop import STANDSTILL, DeviceAxis, InputError, Reading, Slew, TwistMap

SPEED, ANGULAR_SPEED = 0.2, 0.5
PERIOD_S, PERIOD_NS = 0.02, 20_000_000
TIMEOUT_NS = 150_000_000
ALL_FREE = (True,) * 6
STRAIGHT = tuple(DeviceAxis(i) for i in range(6))
SLEW = Slew(1.0, 5.0)

finite = st.floats(-1e3, 1e3)
twists = st.lists(st.floats(-1, 1), min_size=6, max_size=6).map(np.array)
deflections = st.lists(finite, min_size=6, max_size=6).map(tuple)
periods = st.floats(1e-3, 0.1)


def twist_map(axes=STRAIGHT, free=ALL_FREE, deadzone=0.0):
    return TwistMap(axes, free, SPEED, ANGULAR_SPEED, deadzone)


def reading(*axes, pressed=True, buttons=()):
    return Reading((*axes, *[0.0] * (6 - len(axes))), (pressed, *buttons))


# Deflection to twist.


def test_full_deflection_is_full_speed_along_the_axis_that_is_named():
    axes = (DeviceAxis(3), None, DeviceAxis(0, -1.0), None, None, DeviceAxis(1, 0.5))
    twist = twist_map(axes)(Reading((1.0, -1.0, 0.7, 0.5), ()))
    linear = np.array([0.5, 0, -1.0]) / np.hypot(0.5, 1.0)
    np.testing.assert_allclose(twist, [*linear * SPEED, 0, 0, -0.5 * ANGULAR_SPEED])


@given(deflections, st.floats(0, 0.9))
def test_no_deflection_is_faster_than_the_speeds(axes, deadzone):
    twist = twist_map(deadzone=deadzone)(Reading(axes, ()))
    assert np.linalg.norm(twist[:3]) <= SPEED * (1 + 1e-12)
    assert np.linalg.norm(twist[3:]) <= ANGULAR_SPEED * (1 + 1e-12)


@given(st.floats(-0.2, 0.2))
def test_within_the_dead_zone_nothing_moves(value):
    assert not twist_map(deadzone=0.2)(reading(value)).any()


def test_beyond_the_dead_zone_it_rises_from_zero_to_full_speed():
    at = twist_map(deadzone=0.2)
    assert at(reading(0.2 + 1e-9))[0] == pytest.approx(0, abs=1e-8)
    assert at(reading(-0.6))[0] == pytest.approx(-SPEED / 2)
    assert at(reading(1.0))[0] == pytest.approx(SPEED)


def test_what_the_task_fixes_does_not_move():
    free = (True, True, False, False, False, True)
    twist = twist_map(free=free)(Reading((0.1, 0.2, 1.0, 1.0, 1.0, -0.1), ()))
    np.testing.assert_allclose(twist, [0.1 * SPEED, 0.2 * SPEED, 0, 0, 0, -0.1 * ANGULAR_SPEED])


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), float('-inf')])
def test_a_deflection_that_is_no_number_is_refused(bad):
    with pytest.raises(InputError, match=r'axis 1 \(y\) is .*expected a number in \[-1, 1\]'):
        twist_map()(reading(0.0, bad))
    # Where nothing listens to that axis it does no harm.
    assert twist_map(free=(True, False, *ALL_FREE[2:]))(reading(1.0, bad))[0] == SPEED


def test_an_axis_that_the_device_lacks_is_refused():
    with pytest.raises(InputError, match='z is axis 2 of the device, and it sends 2 axes'):
        twist_map()(Reading((0.0, 0.0), ()))


# Slew.


@given(twists, twists, periods)
def test_a_twist_never_changes_faster_than_the_accelerations(twist, wanted, period_s):
    change = SLEW(twist, wanted, period_s) - twist
    assert np.linalg.norm(change[:3]) <= SLEW.acceleration * period_s * (1 + 1e-9)
    assert np.linalg.norm(change[3:]) <= SLEW.angular_acceleration * period_s * (1 + 1e-9)


@given(twists, twists, periods)
def test_a_twist_comes_straight_closer_and_never_overshoots(twist, wanted, period_s):
    after = SLEW(twist, wanted, period_s)
    for part in (slice(0, 3), slice(3, 6)):
        before, left = wanted[part] - twist[part], wanted[part] - after[part]
        assert np.linalg.norm(left) <= np.linalg.norm(before)
        assert left @ before >= 0
        np.testing.assert_allclose(np.cross(left, before), 0, atol=1e-9)


@given(twists, twists)
def test_a_twist_arrives_exactly(twist, wanted):
    for goal in (wanted, STANDSTILL):
        # At 1 m/s^2 nothing is further away than the diagonal of the cube: 3.47 s.
        for _ in range(175):
            twist = SLEW(twist, goal, PERIOD_S)
        assert (twist == goal).all()


# Who commands.


class Person:
    """An operator whose time goes on in ticks; `says` is what the device tells before each."""

    def __init__(self, **buttons):
        self.operator = Operator(twist_map(), SLEW, Buttons(0, **buttons), TIMEOUT_NS, PERIOD_S)
        self.now_ns = 10**18

    def say(self, told, age_ns=0):
        self.operator.hear(told, self.now_ns - age_ns, self.now_ns)

    def tick(self, told=None):
        """The answer to the next tick, before which the device tells `told`."""
        self.now_ns += PERIOD_NS
        if told is not None:
            self.say(told)
        return self.operator.tick(self.now_ns)

    def ticks(self, count, told=None):
        return [self.tick(told) for _ in range(count)]


RELEASED = reading(pressed=False)
WAYS = ('press', 'release', 'silence', 'nonsense')


@pytest.fixture
def person():
    """Somebody whose deadman was seen released."""
    made = Person()
    assert made.tick(RELEASED) is None
    return made


def test_nothing_is_commanded_until_the_deadman_is_pressed(person):
    assert person.ticks(5, reading(1.0, pressed=False)) == [None] * 5
    assert person.tick(reading(1.0)) is not None


def test_the_twist_rises_from_standstill_and_is_stamped_with_its_input(person):
    person.say(reading(1.0))
    heard_ns = person.now_ns
    answers = person.ticks(4)
    # The same input serves several ticks; each adds what the acceleration allows in a period.
    assert {answer.stamp_ns for answer in answers} == {heard_ns}
    np.testing.assert_allclose([answer.value[0] for answer in answers], [0.02, 0.04, 0.06, 0.08])


def test_letting_go_commands_standstill_once_and_then_nothing(person):
    person.ticks(5, reading(1.0))
    last = person.tick(RELEASED)
    assert last.stamp_ns == person.now_ns
    assert not last.value.any()
    assert person.ticks(50, RELEASED) == [None] * 50
    # The next press starts from standstill again.
    assert person.tick(reading(1.0)).value[0] == pytest.approx(0.02)


def test_a_deadman_that_is_pressed_at_the_start_must_be_released_first():
    person = Person()
    assert person.ticks(20, reading(1.0)) == [None] * 20
    assert person.operator.must_release
    person.tick(RELEASED)
    assert not person.operator.must_release
    assert person.tick(reading(1.0)) is not None


def test_silence_commands_standstill_once_until_the_deadman_is_pressed_anew(person):
    person.tick(reading(1.0))
    answers = person.ticks(20)
    moving = TIMEOUT_NS // PERIOD_NS
    assert all(answer.value.any() for answer in answers[:moving])
    standstill = answers[moving]
    assert not standstill.value.any()
    # An executor that refuses what is 0.2 s old must still take it.
    assert standstill.stamp_ns == person.now_ns - (len(answers) - moving - 1) * PERIOD_NS
    assert answers[moving + 1 :] == [None] * (len(answers) - moving - 1)
    assert person.ticks(5, reading(1.0)) == [None] * 5
    person.tick(RELEASED)
    assert person.tick(reading(1.0)) is not None


@pytest.mark.parametrize(
    ('told', 'words'),
    [
        (reading(float('nan')), 'is nan'),
        (Reading((), (True,)), 'sends 0 axes'),
        (Reading((0.0,) * 6, ()), 'button 0 is needed, and the device sends 0'),
    ],
)
def test_what_makes_no_sense_counts_as_silence(person, told, words):
    person.tick(reading(1.0))
    answers = []
    for _ in range(12):
        with pytest.raises(InputError, match=words):
            person.say(told)
        answers.append(person.tick())
    assert [answer is None for answer in answers] == [False] * 8 + [True] * 4
    assert not answers[7].value.any()


@pytest.mark.parametrize(
    ('age_ns', 'words'), [(200_000_000, '0.20 s ago'), (-200_000_000, '0.20 s ahead')]
)
def test_an_input_that_is_stamped_far_from_now_does_not_count(person, age_ns, words):
    with pytest.raises(InputError, match=words):
        person.say(reading(1.0), age_ns)
    assert person.tick() is None


def test_letting_go_counts_however_old_or_broken_the_message(person):
    person.tick(reading(1.0))
    person.say(Reading((float('nan'),), (False,)), age_ns=10**9)
    assert not person.tick().value.any()
    assert person.tick() is None


def test_a_clock_that_is_set_back_stops(person):
    person.tick(reading(1.0))
    person.now_ns -= 10**10
    assert not person.tick().value.any()
    assert person.tick() is None


def test_an_input_from_slightly_ahead_is_taken_as_of_now(person):
    person.say(reading(1.0), age_ns=-50_000_000)
    heard_ns = person.now_ns
    assert person.tick().stamp_ns == heard_ns


def test_the_speed_goes_by_halves_and_doubles_within_its_bounds():
    person = Person(slower=1, faster=2)
    scales = []
    for slower, faster in [(1, 0)] * 5 + [(0, 1)] * 5:
        person.tick(reading(pressed=False, buttons=(slower, faster)))
        person.tick(reading(pressed=False, buttons=(slower, faster)))  # still held: no step
        scales.append(person.operator.speed_scale)
        person.tick(reading(pressed=False, buttons=(False, False)))
    assert scales == pytest.approx([0.5, 0.25, 0.125, SLOWEST, SLOWEST, 0.2, 0.4, 0.8, 1, 1])


def test_a_slower_speed_holds_for_the_twist():
    person = Person(slower=1)
    person.tick(reading(pressed=False, buttons=(True,)))
    answers = person.ticks(20, reading(1.0, buttons=(False,)))
    assert answers[-1].value[0] == SPEED / 2


def test_without_a_button_for_faster_the_slowest_is_followed_by_full_speed():
    person = Person(slower=1)
    for _ in range(5):
        person.tick(reading(pressed=False, buttons=(True,)))
        person.tick(reading(pressed=False, buttons=(False,)))
    assert person.operator.speed_scale == 1.0


@given(
    st.lists(
        st.tuples(st.sampled_from(WAYS), st.integers(1, 12)),
        max_size=15,
    )
)
def test_each_time_somebody_commands_it_ends_with_one_standstill(story):
    person, answers = Person(), []
    told = {'press': reading(1.0), 'release': RELEASED, 'nonsense': reading(float('nan'))}
    for what, count in story:
        for _ in range(count):
            if what != 'silence':
                try:
                    person.say(told[what])
                except InputError:
                    assert what == 'nonsense'
            answers.append(person.tick())
            commanded = answers[-1] is not None and bool(answers[-1].value.any())
            assert commanded == person.operator.pressed
    for before, after in zip([None, *answers], answers):
        moved = before is not None and bool(before.value.any())
        if after is not None and not after.value.any():
            assert moved, 'standstill is told only after motion, and once'
        if after is None:
            assert not moved, 'motion does not end without standstill'
