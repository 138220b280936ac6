"""What keeps a graph in order: who is there, who comes up next, and when the arm must hold."""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from dp_ros.core.backoff import Backoff

# A node that says nothing for so long is not paused but gone.
DEAD_S = 5.0
# Loading and warming up a policy takes its time; nobody hears a node meanwhile.
START_S = 60.0
# After standing still itself for so long, it hears for a while of silences that are its own.
PAUSED_S = 0.5
GRACE_S = 1.0
# A robot may be switched on at any time: a transition is tried again for ever, at least so often.
LONGEST_RETRY_S = 5.0


class Lifecycle(enum.Enum):
    """The primary states of a managed node (design.ros2.org, "Managed nodes")."""

    UNKNOWN = 'unknown'
    UNCONFIGURED = 'unconfigured'
    INACTIVE = 'inactive'
    ACTIVE = 'active'
    FINALIZED = 'finalized'


class Transition(enum.Enum):
    """The two ways up."""

    CONFIGURE = 'configure'
    ACTIVATE = 'activate'


class Condition(enum.Enum):
    """How a node stands, as a person is told."""

    STARTING = 'starting'
    CONFIGURED = 'configured'
    ACTIVE = 'active'
    AT_REST = 'taken down'  # by a person, who brings it up again
    SILENT = 'silent'
    DEAD = 'dead'
    GIVEN_UP = 'given up'


LOST = (Condition.SILENT, Condition.DEAD, Condition.GIVEN_UP)
CONFIGURED = (Lifecycle.INACTIVE, Lifecycle.ACTIVE)
_PLAIN = {
    Lifecycle.UNKNOWN: Condition.STARTING,
    Lifecycle.UNCONFIGURED: Condition.STARTING,
    Lifecycle.INACTIVE: Condition.CONFIGURED,
    Lifecycle.ACTIVE: Condition.ACTIVE,
    Lifecycle.FINALIZED: Condition.DEAD,
}


@dataclass(frozen=True)
class Member:
    """A node of the graph.

    stage: it is activated once all nodes of lower stages are active. after: the node of its own
    process that must be configured, and activated, before it; or ''. modes: of the executor, those
    in which the motion depends on it.
    """

    name: str
    stage: int = 0
    after: str = ''
    modes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Seen:
    """What is known of a node; times in seconds of one clock.

    since_s: when `alive` changed last. lives: how many processes it had; deaths_s: when they were
    lost. pending: the transition that it was asked for, at pending_s. refusals: how often in a row
    it refused one, last at refused_s. at_rest: a person has taken it down.
    """

    since_s: float
    alive: bool = False
    lifecycle: Lifecycle = Lifecycle.UNKNOWN
    lives: int = 0
    deaths_s: tuple[float, ...] = ()
    pending: Transition | None = None
    pending_s: float = 0.0
    refusals: int = 0
    refused_s: float = 0.0
    at_rest: bool = False

    @property
    def restarts(self) -> int:
        """How many processes followed the first."""
        return max(0, self.lives - 1)


@dataclass(frozen=True)
class Step:
    """A transition that is due."""

    node: str
    transition: Transition


@dataclass(frozen=True)
class Supervisor:
    """The members of a graph and what is known of each; an event gives a new Supervisor.

    ran_s: when it looked last; trusts_from_s: until then silence means nothing, for it has stood
    still itself.
    """

    members: tuple[Member, ...]
    seen: Mapping[str, Seen]
    backoff: Backoff = field(default_factory=Backoff)
    ran_s: float = 0.0
    trusts_from_s: float = 0.0

    @staticmethod
    def begun(
        members: Iterable[Member], now_s: float, backoff: Backoff | None = None
    ) -> 'Supervisor':
        """Nobody has been heard of yet; raises ValueError where a name stands twice."""
        members = tuple(members)
        names = [member.name for member in members]
        if len(set(names)) < len(names) or not names:
            raise ValueError(f'expected at least one node, and each once; found {names}')
        strangers = {member.after for member in members} - {'', *names}
        if strangers:
            raise ValueError(f'{sorted(strangers)} come before others and are not among {names}')
        seen = {name: Seen(now_s) for name in names}
        return Supervisor(members, seen, backoff or Backoff(), ran_s=now_s)

    # What was heard.

    def heard(self, node: str, alive: bool, anew: bool, now_s: float) -> 'Supervisor':
        """A node's bond was formed or broke; anew: by a process that was not there before."""
        before = self.seen[node]
        after = replace(before, alive=alive)
        if alive != before.alive:
            after = replace(after, since_s=now_s)
        if anew:
            died = () if not before.lives else (now_s if before.alive else before.since_s,)
            deaths = (*self.backoff.recent(before.deaths_s, now_s), *died)
            after = Seen(now_s, alive, lives=before.lives + 1, deaths_s=deaths)
        return self._with(node, after)

    def told(self, node: str, lifecycle: Lifecycle, now_s: float) -> 'Supervisor':
        """A node's lifecycle state."""
        before = self.seen[node]
        taken_down = before.lifecycle is Lifecycle.ACTIVE and lifecycle is not Lifecycle.ACTIVE
        at_rest = lifecycle is not Lifecycle.ACTIVE and (before.at_rest or taken_down)
        after = replace(before, lifecycle=lifecycle, at_rest=at_rest)
        if lifecycle is not before.lifecycle:
            after = replace(after, pending=None, refusals=0)
        return self._with(node, after)

    def asked(self, step: Step, now_s: float) -> 'Supervisor':
        """A transition was asked for."""
        before = self.seen[step.node]
        return self._with(step.node, replace(before, pending=step.transition, pending_s=now_s))

    def refused(self, node: str, now_s: float) -> 'Supervisor':
        """The transition that was asked for failed."""
        before = self.seen[node]
        refusals = before.refusals + 1
        return self._with(node, replace(before, pending=None, refusals=refusals, refused_s=now_s))

    def looking(self, now_s: float) -> 'Supervisor':
        """To be called before it decides, many times within PAUSED_S."""
        paused = now_s > self.ran_s + PAUSED_S
        trusts = now_s + GRACE_S if paused else self.trusts_from_s
        return replace(self, ran_s=now_s, trusts_from_s=trusts)

    # What follows from it.

    def condition(self, node: str, now_s: float) -> Condition:
        """How a node stands."""
        seen = self.seen[node]
        silent_s = 0.0 if seen.alive else now_s - seen.since_s
        if self._given_up(seen, now_s):
            return Condition.GIVEN_UP
        if seen.lifecycle is not Lifecycle.ACTIVE:
            # While it loads what it needs, it answers nobody.
            if silent_s > START_S:
                return Condition.DEAD
            return Condition.AT_REST if seen.at_rest else _PLAIN[seen.lifecycle]
        if seen.alive:
            return Condition.ACTIVE
        return Condition.DEAD if silent_s > DEAD_S else Condition.SILENT

    def steps(self, now_s: float) -> Iterator[Step]:
        """The transitions that are due, in order."""
        for member in sorted(self.members, key=lambda m: m.stage):
            seen = self.seen[member.name]
            if not seen.alive or seen.at_rest or not self._may_try(seen, now_s):
                continue
            first = self._lifecycle_before(member)
            if seen.lifecycle is Lifecycle.UNCONFIGURED and first in CONFIGURED:
                yield Step(member.name, Transition.CONFIGURE)
            elif seen.lifecycle is Lifecycle.INACTIVE and self._is_turn(member, first):
                yield Step(member.name, Transition.ACTIVATE)

    def why_hold(self, mode: str, now_s: float) -> str:
        """Why nothing may be commanded in this mode of the executor; '' if nothing is wrong."""
        if now_s < self.trusts_from_s:
            return ''
        return '; '.join(
            f'{member.name} is {self._state_of(member.name, now_s)}'
            for member in self.members
            if mode in member.modes and self._is_lost(member.name, now_s)
        )

    def troubles(self, now_s: float) -> list[str]:
        """A sentence for each node that is not active."""
        return [
            f'{member.name} is {self._state_of(member.name, now_s)}'
            for member in self.members
            if self.condition(member.name, now_s) is not Condition.ACTIVE
        ]

    def any_lost(self, now_s: float) -> bool:
        """Whether a node is gone."""
        return any(self.condition(member.name, now_s) in LOST for member in self.members)

    def _is_lost(self, node: str, now_s: float) -> bool:
        """Gone, or back as another process and not yet at work."""
        condition = self.condition(node, now_s)
        again = self.seen[node].lives > 1 and condition is not Condition.ACTIVE
        return again or condition in LOST

    def _state_of(self, node: str, now_s: float) -> str:
        condition, seen = self.condition(node, now_s), self.seen[node]
        if condition is Condition.GIVEN_UP:
            return f'given up: it was lost {len(self.backoff.recent(seen.deaths_s, now_s))} times'
        if condition in LOST:
            return f'{condition.value} for {now_s - seen.since_s:.1f} s'
        return f'{condition.value} again' if seen.lives > 1 else condition.value

    def _given_up(self, seen: Seen, now_s: float) -> bool:
        active = seen.alive and seen.lifecycle is Lifecycle.ACTIVE
        return not active and self.backoff.pause_s(seen.deaths_s, now_s) is None

    def _may_try(self, seen: Seen, now_s: float) -> bool:
        if seen.pending is not None and now_s - seen.pending_s < START_S:
            return False
        retry_s = min(self.backoff.pause_after_s(seen.refusals), LONGEST_RETRY_S)
        if seen.refusals and now_s < seen.refused_s + retry_s:
            return False
        pause_s = self.backoff.pause_s(seen.deaths_s, now_s)
        return pause_s is not None and now_s >= max(seen.deaths_s, default=now_s) + pause_s

    def _lifecycle_before(self, member: Member) -> Lifecycle:
        """Of the node after which `member` comes."""
        if not member.after:
            return Lifecycle.ACTIVE
        first = self.seen[member.after]
        # Where its process is another one, nothing is known of it yet.
        return first.lifecycle if first.alive else Lifecycle.UNKNOWN

    def _is_turn(self, member: Member, first: Lifecycle) -> bool:
        return first is Lifecycle.ACTIVE and all(
            self.seen[other.name].lifecycle is Lifecycle.ACTIVE
            for other in self.members
            if other.stage < member.stage
        )

    def _with(self, node: str, seen: Seen) -> 'Supervisor':
        return replace(self, seen={**self.seen, node: seen})
