"""A scripted expert for Push-T: it plans a push, goes around the T, pushes, looks, plans again.

It needs nothing but observations, so it can take over from any state that a policy reached.
"""

from itertools import islice

import numpy as np

from dp_ros.sim import pusht
from dp_ros.sim.approach import into_block, lift_off, reachable, route
from dp_ros.sim.environment import STEP_S
from dp_ros.sim.push_planner import PUSH_SPEED_M_S, TRAVEL_SPEED_M_S, Push, contacts, pushes

STOP_COVERAGE = 0.97
RETREAT_GAP_M = 0.04
HOLD_STEPS = 10

_TEMPERATURE_S = 0.2
_SIDE_COST_M = 0.25
"""Extra length per radian of going around the T on the side that the coin did not choose."""

_TRIES = 15
"""Pushes for which a way is sought before giving up for now."""

_WAIT_STEPS = 4
"""The tip settles in this time; disturbed, it would never come quite to rest."""

_MOVED_M = 0.003
"""A T that has moved this far since the plan needs another."""

_ARM_M = 0.06


class Expert:
    """One episode's expert: `act` until `done`. `side` is +1 or -1, drawn once: the way around
    the T to the first contact, counter-clockwise or clockwise.
    """

    def __init__(self, rng: np.random.Generator, noise_m: float = 0.0) -> None:
        self.side = int(rng.choice([-1, 1]))
        self.done = False
        self._rng = rng
        self._noise_m = noise_m
        self._path: list[tuple[np.ndarray, float]] = []  # (waypoint, speed m/s) still to come
        self._push: Push | None = None
        self._planned_at = np.zeros(3)  # the T's pose that _push was planned for
        self._command: np.ndarray | None = None
        self._waited = 0  # steps since the command reached the end of the push
        self._first = True
        self._held: int | None = None  # steps since the retreat ended; None while working

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Observation (5,) -> the next waypoint (2,), metres: where the command is in 0.1 s."""
        tip, pose = observation[:2], observation[2:]
        command = tip if self._command is None else self._command
        if self._held is None and pusht.coverage(pose) >= STOP_COVERAGE:
            self._retreat(tip, pose)
            command = tip  # stop here, not where the push would have ended
        if self._held is None and self._must_plan(tip, pose, command):
            self._plan(command, pose)
        if self._held is not None and not self._path:
            self._held += 1
            self.done = self._held >= HOLD_STEPS
        self._command = self._advance(command)
        return self._command

    def executed(self, action: np.ndarray) -> np.ndarray:
        """What to send for the label `action`: it, or it with the noise of `noise_m` added."""
        return action + self._rng.normal(0, self._noise_m, 2) if self._noise_m else action

    def _must_plan(self, tip: np.ndarray, pose: np.ndarray, command: np.ndarray) -> bool:
        if self._push is None:
            return not self._path
        if len(self._path) > 1:  # on the way: the T should lie still
            return _apart(pose, self._planned_at) > _MOVED_M
        if self._path:
            return False
        self._waited += 1
        rest = np.clip(0.15 * _apart(self._push.after, pusht.GOAL_POSE), 0.0015, 0.006)
        return bool(np.linalg.norm(tip - command) < rest) or self._waited > _WAIT_STEPS

    def _plan(self, command: np.ndarray, pose: np.ndarray) -> None:
        cost = self.side * _SIDE_COST_M if self._first else 0.0
        usable = reachable(command, contacts(pose), pose)
        best_first = pushes(pose, command, usable, self._rng, _TEMPERATURE_S)
        for candidate in islice(best_first, _TRIES):
            if np.linalg.norm(candidate.start - command) < 0.004:
                way = candidate.start[None]
            elif (found := route(command, candidate.start, pose, cost)) is not None:
                way = found
            else:
                continue
            self._path = [(point, TRAVEL_SPEED_M_S) for point in way]
            self._path.append((candidate.end, PUSH_SPEED_M_S))
            self._push, self._planned_at, self._first = candidate, pose, False
            self._waited = 0
            return
        # Nothing to push from here, for instance a T that lies outside: look from the middle.
        self._path = [(np.array(pusht.SQUARE_CENTRE), TRAVEL_SPEED_M_S)]
        self._push, self._planned_at = None, pose

    def _retreat(self, tip: np.ndarray, pose: np.ndarray) -> None:
        away = lift_off(into_block(tip, pose), pusht.TIP_RADIUS_M + RETREAT_GAP_M)
        away = pusht.to_base_frame(away, pose)
        away = np.clip(away, pusht.SQUARE_LOW, pusht.SQUARE_HIGH)
        self._path = [(away, TRAVEL_SPEED_M_S)]
        self._held = 0

    def _advance(self, command: np.ndarray) -> np.ndarray:
        """The command one step further along the path, which loses what it has passed."""
        left_s = STEP_S
        while self._path:
            point, speed = self._path[0]
            gap = float(np.linalg.norm(point - command))
            if gap > speed * left_s:
                return command + (point - command) * (speed * left_s / gap)
            left_s -= gap / speed
            command = point
            self._path.pop(0)
        return command


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """Distance between two T poses, metres, an angle counted at the T's typical radius."""
    turn = (a[2] - b[2] + np.pi) % (2 * np.pi) - np.pi
    return float(np.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (_ARM_M * turn) ** 2))
