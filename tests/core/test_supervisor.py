"""The supervisor: what it asks for, whatever it hears and in whatever order."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dp_ros.core.backoff import Backoff
from dp_ros.core.supervisor import (
    DEAD_S,
    LONGEST_RETRY_S,
    LOST,
    START_S,
    Condition,
    Lifecycle,
    Member,
    Step,
    Supervisor,
    Transition,
)

MEMBERS = (
    Member('sim'),
    Member('executor', 1),
    Member('wrist', 1, modes=frozenset({'policy'})),
    Member('observation', 2, modes=frozenset({'policy'})),
    Member('inference', 2, 'observation', frozenset({'policy'})),
)
NAMES = [member.name for member in MEMBERS]
ABOVE = {Lifecycle.UNCONFIGURED: Lifecycle.INACTIVE, Lifecycle.INACTIVE: Lifecycle.ACTIVE}


def begun():
    return Supervisor.begun(MEMBERS, 0.0)


def brought_up(now=0.0):
    supervisor = begun()
    for name in NAMES:
        supervisor = supervisor.heard(name, True, True, now).told(name, Lifecycle.ACTIVE, now)
    return supervisor


def test_nodes_are_configured_when_they_come_and_activated_in_order():
    supervisor, done = begun(), []
    for name in reversed(NAMES):
        supervisor = supervisor.heard(name, True, True, 0).told(name, Lifecycle.UNCONFIGURED, 0)
    while steps := list(supervisor.steps(0)):
        for step in steps:
            supervisor = supervisor.asked(step, 0)
        assert not list(supervisor.steps(0))  # nobody is asked twice
        for step in steps:
            before = supervisor.seen[step.node].lifecycle
            supervisor = supervisor.told(step.node, ABOVE[before], 0)
        done.append({step.node for step in steps})
    assert done == [
        set(NAMES) - {'inference'},
        {'sim', 'inference'},
        {'executor', 'wrist'},
        {'observation'},
        {'inference'},
    ]
    assert not supervisor.troubles(0)


def test_a_refusal_is_tried_again_for_ever_with_growing_pauses():
    supervisor = begun().heard('sim', True, True, 0).told('sim', Lifecycle.UNCONFIGURED, 0)
    now, tried = 0.0, []
    while now < 60:
        for step in supervisor.steps(now):
            tried.append(now)
            supervisor = supervisor.asked(step, now).refused(step.node, now)
        now += 0.25
    assert tried[:5] == [0, 1, 3, 7, 12]
    assert tried[-1] > 60 - LONGEST_RETRY_S - 0.5
    assert supervisor.condition('sim', now) is Condition.STARTING


def test_a_transition_without_an_answer_is_asked_for_again():
    supervisor = begun().heard('sim', True, True, 0).told('sim', Lifecycle.UNCONFIGURED, 0)
    step = Step('sim', Transition.CONFIGURE)
    supervisor = supervisor.asked(step, 0)
    assert not list(supervisor.steps(START_S - 1))
    assert list(supervisor.steps(START_S)) == [step]


def test_silence_becomes_death_and_a_sign_of_life_ends_it():
    supervisor = brought_up().heard('wrist', False, False, 10)
    assert supervisor.condition('wrist', 10 + DEAD_S) is Condition.SILENT
    assert supervisor.condition('wrist', 10.1 + DEAD_S) is Condition.DEAD
    assert supervisor.heard('wrist', True, False, 20).condition('wrist', 20) is Condition.ACTIVE


def test_a_node_that_loads_is_not_silent():
    supervisor = begun().heard('inference', True, True, 0).heard('inference', False, False, 1)
    assert supervisor.condition('inference', START_S) is Condition.STARTING
    assert supervisor.condition('inference', START_S + 2) is Condition.DEAD
    assert begun().condition('sim', START_S + 1) is Condition.DEAD  # it never came


@pytest.mark.parametrize('mode', ['policy', 'teleoperated', 'idle'])
def test_the_arm_holds_only_in_modes_that_depend_on_what_was_lost(mode):
    supervisor = brought_up()
    assert supervisor.why_hold(mode, 5) == ''
    lost = supervisor.heard('wrist', False, False, 5)
    assert lost.why_hold(mode, 6) == ('wrist is silent for 1.0 s' if mode == 'policy' else '')
    assert supervisor.heard('executor', False, False, 5).why_hold(mode, 6) == ''


def test_silence_means_nothing_to_who_has_stood_still():
    supervisor = brought_up()
    for tenth in range(51):
        supervisor = supervisor.looking(tenth / 10)
    frozen = supervisor.heard('wrist', False, False, 9.0).looking(9.0)
    assert frozen.why_hold('policy', 9.5) == ''
    awake = frozen
    for tenth in range(11):
        awake = awake.looking(9.0 + tenth / 10)
    assert awake.why_hold('policy', 10.0) == 'wrist is silent for 1.0 s'
    assert frozen.heard('wrist', True, False, 9.1).looking(9.1).why_hold('policy', 10.0) == ''
    assert supervisor.heard('wrist', False, False, 5.2).looking(5.3).why_hold('policy', 5.3) != ''


def test_a_node_that_came_back_counts_once_it_is_at_work():
    again = brought_up().heard('inference', False, False, 5).heard('inference', True, True, 8)
    assert again.why_hold('policy', 8) == 'inference is starting again'
    assert again.seen['inference'].restarts == 1
    assert again.told('inference', Lifecycle.ACTIVE, 9).why_hold('policy', 9) == ''


def test_before_a_node_first_came_up_nothing_is_held():
    assert begun().why_hold('policy', 1) == ''


def test_what_a_person_takes_down_stays_down():
    supervisor = brought_up().told('wrist', Lifecycle.INACTIVE, 1)
    assert supervisor.condition('wrist', 1) is Condition.AT_REST
    supervisor = supervisor.told('wrist', Lifecycle.UNCONFIGURED, 2)
    assert not list(supervisor.steps(100))
    supervisor = supervisor.told('wrist', Lifecycle.INACTIVE, 3).told('wrist', Lifecycle.ACTIVE, 3)
    assert supervisor.condition('wrist', 3) is Condition.ACTIVE
    anew = brought_up().told('wrist', Lifecycle.INACTIVE, 1).heard('wrist', True, True, 2)
    assert list(anew.told('wrist', Lifecycle.UNCONFIGURED, 3).steps(4))


def test_a_node_that_is_lost_again_and_again_is_given_up_and_tried_later():
    supervisor, now = brought_up(), 0.0
    for _ in range(supervisor.backoff.most + 1):
        now += 1
        supervisor = supervisor.heard('wrist', False, False, now).heard('wrist', True, True, now)
        supervisor = supervisor.told('wrist', Lifecycle.UNCONFIGURED, now)
    assert supervisor.condition('wrist', now) is Condition.GIVEN_UP
    assert 'given up: it was lost 6 times' in supervisor.why_hold('policy', now)
    assert not list(supervisor.steps(now + 60))
    assert list(supervisor.steps(now + supervisor.backoff.within_s + 1))


def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match=r"each once; found \['a', 'a'\]"):
        Supervisor.begun([Member('a'), Member('a')], 0)


def test_a_node_that_comes_after_a_stranger_is_refused():
    with pytest.raises(ValueError, match=r"\['b'\] come before others"):
        Supervisor.begun([Member('a', after='b')], 0)


@dataclass
class Truth:
    """One node as it really is."""

    lifecycle: Lifecycle = Lifecycle.UNKNOWN
    alive: bool = False
    deaths: list = field(default_factory=list)
    asked_s: float | None = None


class World(RuleBasedStateMachine):
    """Nodes that come, load, refuse, freeze, die and come back while a supervisor looks on."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.supervisor = Supervisor.begun(MEMBERS, 0.0, Backoff(most=3, within_s=50))
        self.nodes = {name: Truth() for name in NAMES}

    @rule(seconds=st.floats(0.01, 20))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(name=st.sampled_from(NAMES))
    def a_process_comes(self, name):
        node = self.nodes[name]
        if node.lifecycle is not Lifecycle.UNKNOWN:
            node.deaths.append(self.now)
        self.nodes[name] = Truth(Lifecycle.UNCONFIGURED, True, node.deaths)
        self.supervisor = self.supervisor.heard(name, True, True, self.now)
        self.supervisor = self.supervisor.told(name, Lifecycle.UNCONFIGURED, self.now)

    @rule(name=st.sampled_from(NAMES), alive=st.booleans())
    def it_falls_silent_or_wakes(self, name, alive):
        if self.nodes[name].lifecycle is not Lifecycle.UNKNOWN:
            self.nodes[name].alive = alive
            self.supervisor = self.supervisor.heard(name, alive, False, self.now)

    @rule()
    def steps_are_taken(self):
        for step in list(self.supervisor.steps(self.now)):
            node = self.nodes[step.node]
            assert node.alive
            assert node.asked_s is None or self.now - node.asked_s >= START_S
            wanted = {
                Lifecycle.UNCONFIGURED: Transition.CONFIGURE,
                Lifecycle.INACTIVE: Transition.ACTIVATE,
            }[node.lifecycle]
            assert step.transition is wanted
            if step.node == 'inference':
                first = self.nodes['observation']
                assert first.alive
                assert first.lifecycle in (Lifecycle.ACTIVE, ABOVE[node.lifecycle])
            if wanted is Transition.ACTIVATE:
                stage = next(m.stage for m in MEMBERS if m.name == step.node)
                below = [m.name for m in MEMBERS if m.stage < stage]
                assert all(self.nodes[b].lifecycle is Lifecycle.ACTIVE for b in below)
            self.supervisor = self.supervisor.asked(step, self.now)
            node.asked_s = self.now

    @precondition(lambda self: any(n.asked_s is not None for n in self.nodes.values()))
    @rule(done=st.booleans(), data=st.data())
    def an_answer_comes(self, done, data):
        asked = [name for name, node in self.nodes.items() if node.asked_s is not None]
        name = data.draw(st.sampled_from(asked))
        node = self.nodes[name]
        node.asked_s = None
        if done:
            node.lifecycle = ABOVE[node.lifecycle]
            self.supervisor = self.supervisor.told(name, node.lifecycle, self.now)
        else:
            self.supervisor = self.supervisor.refused(name, self.now)

    @invariant()
    def it_says_what_is_so(self):
        for name, node in self.nodes.items():
            condition = self.supervisor.condition(name, self.now)
            working = node.alive and node.lifecycle is Lifecycle.ACTIVE
            assert (condition is Condition.ACTIVE) == working
            if node.lifecycle is Lifecycle.ACTIVE and not node.alive:
                assert condition in LOST
            self._a_lost_node_holds(name, condition)

    def _a_lost_node_holds(self, name, condition):
        needed = name in ('wrist', 'observation', 'inference')
        if condition in LOST:
            assert (name in self.supervisor.why_hold('policy', self.now)) == needed
        if condition is Condition.ACTIVE:
            assert name not in self.supervisor.why_hold('policy', self.now)


TestWorld = World.TestCase


@given(st.lists(st.sampled_from(NAMES), min_size=1))
def test_updates_leave_the_supervisor_before_them_alone(names):
    supervisor = begun()
    kept = dict(supervisor.seen)
    for name in names:
        supervisor.heard(name, True, True, 1.0)
    assert supervisor.seen == kept
