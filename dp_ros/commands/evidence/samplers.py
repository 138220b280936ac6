"""Table: score and time of a chunk over denoising steps, for each sampler."""

from collections.abc import Sequence
from typing import Any

from dp_ros.commands.evidence.evaluation import Evaluation, Starts, figures
from dp_ros.commands.evidence.jobs import Job, Record, grouped
from dp_ros.commands.evidence.sources import Shipped, Student
from dp_ros.paths import share

TABLE = 'samplers'
STEPS = (1, 2, 4, 8, 16, 100)
SAMPLERS = ('ddim', 'ddpm', 'dpm_solver')
STUDENT, STUDENT_STEPS = 'consistency', (1, 2, 4)


def jobs(starts: Starts) -> list[Job]:
    """The shipped policy under each sampler."""
    policy = Shipped(share('models', 'pusht_gym'))
    return [
        Evaluation(
            TABLE,
            (('sampler', sampler), ('steps', steps)),
            policy,
            starts,
            ('--sampler', sampler, '--inference-steps', str(steps)),
        )
        for steps in STEPS
        for sampler in SAMPLERS
    ]


def student_jobs(starts: Starts) -> list[Job]:
    """Its distilled student, which is trained first."""
    teacher = Shipped(share('models', 'pusht_gym'))
    student = Student(teacher, share('config', 'training', 'pusht_gym_distilled.yaml'))
    return [
        Evaluation(
            TABLE,
            (('sampler', STUDENT), ('steps', steps)),
            student,
            starts,
            ('--inference-steps', str(steps)),
        )
        for steps in STUDENT_STEPS
    ]


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Sampler by sampler, with rising steps."""
    groups = grouped(records, 'sampler', 'steps')
    order = [*SAMPLERS, STUDENT]
    return [
        {
            'sampler': sampler,
            'steps': steps,
            'chunk_ms': found[0]['chunk_ms'],
            **figures(found),
        }
        for (sampler, steps), found in sorted(
            groups.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    ]
