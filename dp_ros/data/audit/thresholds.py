"""What an episode may show before it is left out of training (config/audit.yaml)."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from dp_ros import yamlfile


class Thresholds(yamlfile.Settings):
    """What an episode may show before it is left out of training. Shares are 0..1."""

    outcomes: tuple[Literal['success', 'failure', 'unknown'], ...] = Field(
        default=('success', 'unknown'), description='outcomes that are trained on'
    )
    windows_lost: float = Field(
        default=0.05, ge=0, le=1, description='share of the grid times without a window'
    )
    drops: float = Field(
        default=0.05, ge=0, le=1, description='share of the samples of a stream that are missing'
    )
    gap_ms: float = Field(default=300, gt=0, description='longest silence of a stream [ms]')
    latency_ms: float = Field(
        default=150, gt=0, description='99th percentile, from stamp to arrival, of a stream [ms]'
    )
    skew_ms: float = Field(
        default=80, gt=0,
        description='99th percentile of how far frames lie before the grid, and apart [ms]',
    )  # fmt: skip
    duplicates: float = Field(
        default=0.01, ge=0, le=1, description='share of the samples with a stamp seen before'
    )
    out_of_order: float = Field(
        default=0.01, ge=0, le=1, description='share of the samples older than the one before'
    )
    frozen: float = Field(
        default=0.05, ge=0, le=1, description='share of the frames equal to the one before'
    )
    malformed: float = Field(
        default=0.0, ge=0, le=1, description='share of the messages that cannot be read'
    )
    still_mps: float = Field(
        default=0.005, gt=0, description='a TCP commanded slower than this is idle [m/s]'
    )
    still_radps: float = Field(
        default=0.02, gt=0, description='so are joints, and the rotation of a TCP [rad/s]'
    )
    pause_s: float = Field(default=0.5, ge=0, description='shorter stretches are not idle [s]')
    idle_s: float = Field(default=3.0, gt=0, description='longest idle stretch [s]')
    idle: float = Field(
        default=0.3, ge=0, le=1, description='share of the commanded time that is idle'
    )
    limited: float = Field(
        default=0.5, ge=0, le=1, description='share of the commanded time at any one limit'
    )
    chunks_refused: float = Field(
        default=0.2, ge=0, le=1, description="share of the policy's chunks that were refused"
    )
    protective_stops: int = Field(default=0, ge=0, description='how many are borne')


def load_thresholds(path: Path | str) -> Thresholds:
    """Read config/audit.yaml or a file like it; raises yamlfile.ConfigError."""
    return yamlfile.load(Thresholds, path)
