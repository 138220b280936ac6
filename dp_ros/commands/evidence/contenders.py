"""Which methods are compared, by the recipes that train them."""

from dataclasses import dataclass
from pathlib import Path

from dp_ros.paths import share

TASK = 'pusht_gym'
SINGLE = 'pusht_gym_single'


@dataclass(frozen=True)
class Contender:
    """One row. recipe: name below config/training; paper: its score on Push-T from state.

    paper: best checkpoint / mean of the last ten (Chi et al. 2023, table 1), where it has the row.
    watched: whether its run is followed from checkpoint to checkpoint, for the table of stability.
    task: which horizons it learns.
    """

    key: str
    title: str
    recipe: str
    control: str = 'position'
    paper: str = '-'
    watched: bool = False
    task: str = TASK

    @property
    def file(self) -> Path:
        """The recipe's file; it may not be there."""
        return share('config', 'training', f'{self.recipe}.yaml')


BASELINES = 'baselines/pusht_gym'

CONTENDERS = (
    Contender('cnn', 'Diffusion, CNN', 'pusht_gym_cnn', paper='.95 / .91', watched=True),
    Contender('regression', 'MLP regression', f'{BASELINES}_regression'),
    Contender('bet', 'BET', f'{BASELINES}_bet', paper='.79 / .70'),
    Contender('lstm_gmm', 'LSTM-GMM', f'{BASELINES}_lstm_gmm', paper='.67 / .61'),
    Contender('transformer', 'Diffusion, transformer', 'pusht_gym_transformer', paper='.95 / .79'),
    Contender('ibc', 'IBC', f'{BASELINES}_ibc', paper='.90 / .84', watched=True),
    Contender(
        'diffusion_velocity', 'Diffusion, MLP', f'{BASELINES}_diffusion_velocity', 'velocity'
    ),
    Contender('lstm_gmm_velocity', 'LSTM-GMM', f'{BASELINES}_lstm_gmm_velocity', 'velocity'),
    Contender('ibc_velocity', 'IBC', f'{BASELINES}_ibc_velocity', 'velocity'),
    Contender('cnn_plain', 'Diffusion, CNN, plain features', 'pusht_gym_cnn_plain'),
    Contender('bet_single', 'BET, one action at a time', f'{BASELINES}_bet', task=SINGLE),
    Contender(
        'lstm_gmm_single', 'LSTM-GMM, one action at a time', f'{BASELINES}_lstm_gmm', task=SINGLE
    ),
    Contender('bet_plain', 'BET, plain features', f'{BASELINES}_bet_plain'),
    Contender('mlp', 'Diffusion, MLP', 'pusht_gym'),
)
"""In the order of work: what is most wanted, and cheapest, comes first."""

BY_KEY = {contender.key: contender for contender in CONTENDERS}


def chosen(text: str) -> list[Contender]:
    """Contenders of these keys, all if there are none; ValueError for an unknown one."""
    if not text:
        return list(CONTENDERS)
    keys = [key.strip() for key in text.split(',')]
    unknown = [key for key in keys if key not in BY_KEY]
    if unknown:
        raise ValueError(f'--methods {unknown[0]}: expected some of {", ".join(BY_KEY)}')
    return [BY_KEY[key] for key in keys]
