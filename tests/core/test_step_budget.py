"""Fewer steps when time is short, and all of them otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.core.step_budget import KEPT, StepBudget

SECONDS = st.floats(min_value=0, max_value=2)


def test_all_steps_are_used_as_long_as_nothing_is_known():
    assert StepBudget(16, deadline_s=0.001).steps() == 16


@pytest.mark.parametrize(
    ('once_s', 'each_s', 'fitting'), [(0, 0.005, 16), (0.01, 0.01, 9), (0.05, 0.02, 2), (1, 1, 1)]
)
def test_what_fits_is_what_the_deadline_leaves_for_steps(once_s, each_s, fitting):
    budget = StepBudget(16, deadline_s=0.1001)
    for steps in (16, 4, 1):  # however many there were
        budget.took(once_s, each_s * steps, steps)
    assert budget.steps() == fitting


@given(st.lists(st.tuples(SECONDS, SECONDS, st.integers(1, 16)), max_size=40), SECONDS)
def test_there_is_always_a_step_and_never_one_too_many(chunks, deadline_s):
    budget, patient = StepBudget(16, deadline_s), StepBudget(16, 2 * deadline_s)
    for chunk in chunks:
        budget.took(*chunk)
        patient.took(*chunk)
    assert 1 <= budget.steps() <= patient.steps() <= 16


def test_one_slow_chunk_changes_little_and_a_slow_machine_is_noticed_and_forgotten():
    budget = StepBudget(16, deadline_s=0.1)
    for _ in range(KEPT - 1):
        budget.took(0, 0.016, 16)
    budget.took(0, 1.6, 16)
    assert budget.steps() == 16
    for _ in range(KEPT // 2):
        budget.took(0, 0.32, 16)
    assert budget.steps() == 5
    for _ in range(KEPT):
        budget.took(0, 0.005, 5)
    assert budget.steps() == 16


def test_what_warming_up_took_can_be_forgotten():
    budget = StepBudget(16, deadline_s=0.1)
    budget.took(1, 1, 16)
    assert budget.steps() == 1
    budget.forget()
    assert budget.steps() == 16
