"""A plan for several arms: split among them, put together again, and kept as one plan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.core.arms import Part, Share, joined, split
from dp_ros.core.stamped import ActionChunk, frozen_array
from dp_ros.core.switches import Switches
from dp_ros.core.together import Together

MS = 1_000_000
PARTS = {'left': Part((0, 1), (2,)), 'right': Part((4, 3), ())}
few = settings(max_examples=60, deadline=None)


def chunk(stamps_ms=(100, 200, 300), seed=0):
    waypoints = np.random.default_rng(seed).normal(size=(len(stamps_ms), 5))
    return ActionChunk(tuple(t * MS for t in stamps_ms), frozen_array(waypoints))


def after(share, first):
    """A share without its first waypoints, as an arm tells it that is already past them."""
    halves = (
        ActionChunk(half.stamps_ns[first:], half.waypoints[first:])
        for half in (share.joints, share.states)
    )
    return Share(*halves)


def test_each_arm_gets_its_columns_in_its_own_order_at_the_same_times():
    whole = chunk()
    shares = split(whole, PARTS)
    assert {share.joints.stamps_ns for share in shares.values()} == {whole.stamps_ns}
    np.testing.assert_array_equal(shares['left'].joints.waypoints, whole.waypoints[:, :2])
    np.testing.assert_array_equal(shares['right'].joints.waypoints, whole.waypoints[:, [4, 3]])
    np.testing.assert_array_equal(shares['left'].states.waypoints, whole.waypoints[:, [2]] > 0.5)
    assert shares['right'].states.waypoints.shape == (3, 0)


@few
@given(st.permutations(range(7)), st.integers(1, 6), st.integers(0, 2**16))
def test_what_was_split_among_arms_is_the_same_when_put_together(order, cut, seed):
    parts = {'one': Part(tuple(order[:cut])), 'other': Part(tuple(order[cut:]))}
    waypoints = np.random.default_rng(seed).normal(size=(4, 7))
    whole = ActionChunk((1, 2, 3, 4), frozen_array(waypoints))
    again = joined(split(whole, parts), parts)
    assert again.stamps_ns == whole.stamps_ns
    np.testing.assert_array_equal(again.waypoints, whole.waypoints)


def test_what_arms_are_committed_to_is_known_where_all_of_them_tell_it():
    shares = split(chunk(), PARTS)
    late = {**shares, 'right': after(shares['right'], 1)}
    assert joined(late, PARTS).stamps_ns == (200 * MS, 300 * MS)
    assert joined({'left': shares['left']}, PARTS) is None
    longer = split(chunk((100, 200, 300, 400)), PARTS)
    assert joined({'left': shares['left'], 'right': longer['right']}, PARTS) is None


def states(stamps_ms, values):
    return ActionChunk(tuple(t * MS for t in stamps_ms), np.array(values, dtype=float)[:, None])


def test_a_gripper_closes_at_its_time_and_not_by_and_by():
    switches = Switches.standing(0, np.zeros(1))
    switches = switches.accept(states([100, 200, 300], [0, 1, 1]), 50 * MS)
    told = [float(switches.due(t * MS)[0]) for t in range(0, 400, 10)]
    assert set(told) == {0.0, 1.0}
    assert told.index(1.0) == 20
    # What comes next replaces what has not happened yet.
    replaced = switches.accept(states([150, 250], [0, 1]), 120 * MS)
    assert [float(replaced.due(t * MS)[0]) for t in (140, 200, 249, 250)] == [0, 0, 0, 1]


def test_an_arm_that_stops_leaves_its_gripper_as_it_is():
    switches = Switches.standing(0, np.zeros(1)).accept(states([100, 200], [1, 0]), 0)
    held = switches.held(150 * MS)
    assert [float(held.due(t * MS)[0]) for t in (150, 200, 900)] == [1, 1, 1]


class Executors:
    """Two arms under one plan, which tell what they accept."""

    def __init__(self):
        self.together = Together(PARTS)
        assert not self.together.commanded('left', True)
        assert self.together.commanded('right', True)

    def send(self, stamps_ms=(100, 200, 300)):
        self.shares = self.together.sent(chunk(stamps_ms))

    def tells(self, arm):
        return self.together.accepted(arm, self.shares[arm])


def test_a_plan_is_known_once_both_arms_are_on_it():
    arms = Executors()
    arms.send()
    assert arms.tells('left') is None
    plan = arms.tells('right')
    np.testing.assert_array_equal(plan.waypoints[:, 3:], chunk().waypoints[:, 3:])
    assert arms.together.withdrawn(500 * MS) == ()


def test_a_chunk_that_only_one_arm_took_is_withdrawn_from_it_at_its_splice():
    arms = Executors()
    arms.send()
    arms.tells('left')
    assert arms.together.withdrawn(99 * MS) == ()
    assert set(arms.together.withdrawn(100 * MS)) == {'left', 'right'}
    assert not arms.together.begun
    assert arms.together.withdrawn(101 * MS) == ()
    assert arms.tells('right') is None


def test_a_chunk_that_neither_took_changes_nothing():
    arms = Executors()
    arms.send()
    assert arms.together.withdrawn(150 * MS) == ()
    arms.send((200, 300, 400))
    arms.tells('left')
    assert arms.tells('right') is not None


@pytest.mark.parametrize(('stops', 'goes_on'), [('left', 'right'), ('right', 'left')])
def test_an_arm_that_stops_stops_the_other_and_both_are_armed_anew(stops, goes_on):
    arms = Executors()
    assert not arms.together.commanded(stops, False)
    assert arms.together.withdrawn(0) == (goes_on,)
    assert not arms.together.commanded(stops, True)
    # The arm that was armed first waits for the other: nothing is withdrawn from it.
    assert arms.together.withdrawn(0) == ()
    assert arms.together.commanded(goes_on, True)


def test_what_was_said_of_an_older_plan_is_no_answer():
    arms = Executors()
    arms.send()
    older = arms.shares
    arms.send((200, 300, 400))
    assert arms.together.accepted('left', older['left']) is None
    assert arms.together.accepted('right', older['right']) is None
    assert arms.together.withdrawn(250 * MS) == ()
