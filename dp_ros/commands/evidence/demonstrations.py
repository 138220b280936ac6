"""How well people did it: the demonstrations that policies learn from, as they were recorded."""

from dataclasses import dataclass
from typing import Any

from dp_ros.commands.evidence.evaluation import outcomes
from dp_ros.commands.evidence.jobs import Record
from dp_ros.commands.evidence.workbench import DEMONSTRATIONS, Workbench, shown
from dp_ros.data import replay_buffer
from dp_ros.data.replay_buffer import Episode
from dp_ros.sim.gym_pusht import GymPushT

HUMAN = 'human'


@dataclass(frozen=True)
class Demonstrations:
    """A job: the coverage that each demonstration reached."""

    table: str = 'methods'
    learns: bool = True

    @property
    def key(self) -> dict[str, Any]:
        return {'method': HUMAN}

    @property
    def missing(self) -> str | None:
        return None

    def run(self, bench: Workbench) -> Record:
        if bench.demonstrations is None:
            raise ValueError(DEMONSTRATIONS)
        world = GymPushT()
        episodes = replay_buffer.read(bench.demonstrations)
        played = [_coverage(world, episode) for episode in episodes]
        arguments = ['benchmark', 'evidence', '--demonstrations', bench.demonstrations.name]
        return {'key': self.key, 'commands': [shown(arguments)], **outcomes(played)}


def _coverage(world: GymPushT, episode: Episode) -> dict[str, float]:
    """Coverage at each recorded state."""
    covered = []
    for state in episode.state:
        world.place(state)
        covered.append(world.coverage)
    return {'coverage_max': max(covered), 'coverage_last': covered[-1], 'steps': len(episode)}
