"""When an episode of the cell counts as a success: measured once on the demonstrations."""

from pathlib import Path

from pydantic import Field

from dp_ros import yamlfile


class Score(yamlfile.Settings):
    """Last IoU of the expert's demonstrations (Chi et al. 2023 ask for the lowest).

    The lowest of many is set by one unlucky retreat, so success asks for the 5th percentile.
    """

    success_iou: float = Field(gt=0, lt=1, description='5th percentile')
    lowest_iou: float = Field(gt=0, lt=1)


def load_score(path: Path) -> Score:
    """Read config/score.yaml; raises yamlfile.ConfigError."""
    return yamlfile.load(Score, path)
