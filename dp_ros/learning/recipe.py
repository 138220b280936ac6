"""The training recipe: everything that decides what a policy becomes, in one validated file."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dp_ros import yamlfile
from dp_ros.learning.sampler import Spacing, Variance
from dp_ros.learning.schedule import Prediction, ScheduleName


class UnetNetwork(yamlfile.Settings):
    """1D U-Net (learning/unet.py, local_conditioning.py, inpainting.py)."""

    kind: Literal['unet']
    widths: tuple[int, ...] = (256, 512, 1024)
    step_embedding: int = Field(default=256, ge=4)
    kernel: int = Field(default=5, ge=1)
    groups: int = Field(default=8, ge=1)
    condition: Literal['global', 'local', 'inpainting'] = Field(
        default='global',
        exclude_if=lambda condition: condition == 'global',
        description='how it is told what was observed',
    )


class TransformerNetwork(yamlfile.Settings):
    """Decoder over action tokens (learning/transformer.py)."""

    kind: Literal['transformer']
    width: int = Field(default=256, ge=4)
    layers: int = Field(default=8, ge=1)
    heads: int = Field(default=4, ge=1)
    condition_layers: int = Field(
        default=0, ge=0, description='encoder blocks over what was observed; 0: a perceptron'
    )
    dropout: float = Field(default=0.3, ge=0, lt=1, description='of attention and perceptrons')
    embedding_dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode='after')
    def _heads_share_the_width(self) -> 'TransformerNetwork':
        if self.width % self.heads or self.width % 2:
            raise ValueError(
                f'width must be even and a multiple of heads, found {self.width} and {self.heads}'
            )
        return self


class MLPNetwork(yamlfile.Settings):
    """Residual perceptron (learning/mlp.py), for low-dimensional state on a CPU."""

    kind: Literal['mlp']
    width: int = Field(default=384, ge=8)
    blocks: int = Field(default=4, ge=1)
    step_embedding: int = Field(default=64, ge=4)


Network = Annotated[UnetNetwork | MLPNetwork | TransformerNetwork, Field(discriminator='kind')]


class _Features(yamlfile.Settings):
    """What all features have."""

    control: Literal['position', 'velocity'] = Field(
        default='position',
        exclude_if=lambda control: control == 'position',
        description='of velocity: a chunk holds the differences between successive targets',
    )


class PlainFeatures(_Features):
    """Observations and actions as they are."""

    kind: Literal['plain']


class BlockFrameFeatures(_Features):
    """Push-T in the block's own frame (learning/features.py)."""

    kind: Literal['block_frame']
    goal: tuple[float, float, float] = Field(description='x, y, yaw of the block at the goal')
    fine: float = Field(gt=0, description='length at which near-field features saturate')


class RelativeFeatures(_Features):
    """Actions relative to the first numbers of the newest observation (learning/features.py)."""

    kind: Literal['relative']


Features = Annotated[
    PlainFeatures | RelativeFeatures | BlockFrameFeatures, Field(discriminator='kind')
]


def _is_none(value: object) -> bool:
    return value is None


class _Encoder(yamlfile.Settings):
    """What every image encoder has (learning/vision.py)."""

    keypoints: int = Field(default=32, ge=1, description='channels of the spatial softmax')
    features: int = Field(default=64, ge=1, description='numbers for each camera and step')
    shared: bool = Field(default=False, description='one network for all cameras')
    crop: float = Field(default=0.9, gt=0, le=1, description='share of each side that is kept')
    brightness: float = Field(default=0.1, ge=0, lt=1, description='largest change in training')
    weights: str | None = Field(default=None, description='what to start from')
    frozen: bool = Field(default=False, description='keep `weights` as they are')
    views: int = Field(
        default=1,
        ge=1,
        description='of each frame, once nothing learns: one as it is, the rest augmented',
    )
    learning_rate_scale: float = Field(
        default=1.0,
        gt=0,
        description='of its learning rate; below 1 for good weights',
    )

    @model_validator(mode='after')
    def _frozen_has_weights(self) -> '_Encoder':
        if self.frozen and self.weights is None:
            raise ValueError(
                'frozen needs weights: a random encoder that never learns sees little'
            )
        return self


class ResnetEncoder(_Encoder):
    """ResNet-18 (Chi et al. 2023): from scratch, from 'imagenet', or from a file such as R3M's.

    `weights` may also be a folder that `dp-ros pretrain` has written with these same settings.
    """

    kind: Literal['resnet18']
    norm: Literal['group', 'frozen_batch'] | None = Field(
        default=None,
        exclude_if=_is_none,
        description='group from scratch, else frozen_batch; say group for a folder that was '
        'pretrained from scratch',
    )


class SmallEncoder(_Encoder):
    """Four convolutions for a CPU; `weights` is a folder that `dp-ros pretrain` has written."""

    kind: Literal['small']


Vision = Annotated[ResnetEncoder | SmallEncoder, Field(discriminator='kind')]


SamplerName = Literal['ddim', 'ddpm', 'dpm_solver', 'consistency']
Precision = Literal['float32', 'bf16', 'fp16']


class Prefix(yamlfile.Settings):
    """Chunks learn to go on from what is certain (learning/prefix.py)."""

    most: int = Field(ge=1, description='longest delay [steps] that is bridged')
    free: float = Field(default=0.4, ge=0, lt=1, description='share of chunks without a prefix')


class Diffusion(yamlfile.Settings):
    """Noise schedule in training and sampler in use."""

    schedule: ScheduleName = 'squared_cosine'
    training_steps: int = Field(default=100, ge=1, description='T')
    prediction: Prediction = 'epsilon'
    sampler: SamplerName = 'ddim'
    inference_steps: int = Field(default=16, ge=1)
    spacing: Spacing = 'trailing'
    # Left out where they are not set: recipes, and runs to resume, stay as they were.
    prefix: Prefix | None = Field(default=None, exclude_if=_is_none)
    eta: float = Field(
        default=0.0, ge=0, le=1, exclude_if=lambda eta: eta == 0, description='randomness of ddim'
    )
    variance: Variance = Field(
        default='fixed_small', exclude_if=lambda kind: kind == 'fixed_small', description='of ddpm'
    )
    snr_gamma: float | None = Field(
        default=None,
        gt=0,
        exclude_if=_is_none,
        description='weighs the loss of each step by its signal-to-noise ratio, up to this one',
    )
    drop_condition: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        exclude_if=_is_none,
        description='probability with which a window is learned without its observations',
    )
    guidance: float | None = Field(
        default=None,
        ge=0,
        exclude_if=_is_none,
        description='weight of the observations (learning/guidance.py); 1 is as without it',
    )

    @model_validator(mode='after')
    def _options_fit_the_sampler(self) -> 'Diffusion':
        for option, sampler in (('eta', 'ddim'), ('variance', 'ddpm')):
            changed = getattr(self, option) != type(self).model_fields[option].default
            if changed and self.sampler != sampler:
                raise ValueError(
                    f'{option} is an option of the sampler {sampler}, but the sampler is '
                    f'{self.sampler}: leave {option} out, or set sampler: {sampler}'
                )
        return self

    @model_validator(mode='after')
    def _guidance_has_learned_without(self) -> 'Diffusion':
        if self.guidance is not None and self.drop_condition is None:
            raise ValueError(
                'guidance needs a policy that was trained with drop_condition, as in '
                'drop_condition: 0.1; leave guidance out for this one'
            )
        return self


class Optimiser(yamlfile.Settings):
    """AdamW with linear warm-up and cosine decay, and the averaged weights that are used."""

    steps: int = Field(ge=1)
    batch: int = Field(default=256, ge=1, description='windows of a step, on all GPUs together')
    accumulate: int = Field(
        default=1, ge=1, description='equal parts that a batch is computed in, to save memory'
    )
    precision: Precision = Field(default='float32', description='mixed on a GPU; float32 on a CPU')
    learning_rate: float = Field(default=1e-4, gt=0)
    weight_decay: float = Field(default=1e-6, ge=0)
    betas: tuple[float, float] = (0.95, 0.999)
    warmup: int = Field(default=500, ge=0)
    gradient_norm: float = Field(default=1.0, gt=0, description='largest global norm of a step')
    ema_power: float = Field(default=0.75, gt=0)
    ema_max: float = Field(default=0.9999, gt=0, lt=1)

    @model_validator(mode='after')
    def _parts_are_equal(self) -> 'Optimiser':
        if self.batch % self.accumulate:
            raise ValueError(
                f'batch must be a multiple of accumulate, found {self.batch} and {self.accumulate}'
            )
        return self


class Run(yamlfile.Settings):
    """What every training run has."""

    optimiser: Optimiser
    validation_fraction: float = Field(default=0.05, gt=0, lt=0.9, description='of the episodes')
    validate_every: int = Field(default=1000, ge=1)
    save_every: int = Field(default=1000, ge=1)
    keep_every: int | None = Field(
        default=None,
        ge=1,
        exclude_if=_is_none,
        description='steps after which the averaged model is kept besides, in kept/STEP',
    )
    seed: int = 0


class Recipe(Run):
    """How to train one policy; saved with the checkpoint as training.yaml."""

    network: Network
    features: Features
    vision: Vision | None = Field(default=None, description='for tasks with cameras')
    diffusion: Diffusion = Diffusion()
    half: bool = Field(default=False, description='save the weights in half precision')
    distilled_from: str | None = Field(
        default=None,
        exclude_if=_is_none,
        description='identity of the teacher, as dp-ros distill notes it',
    )

    @model_validator(mode='after')
    def _sampler_fits_the_training(self) -> 'Recipe':
        sampler, distilled = self.diffusion.sampler, self.distilled_from is not None
        if distilled and sampler != 'consistency':
            raise ValueError(
                f'a distilled policy knows where denoising ends, not how it goes on: its sampler '
                f'is consistency, not {sampler}'
            )
        if not distilled and sampler == 'consistency':
            raise ValueError(
                'sampler consistency is for policies that dp-ros distill has made; this one takes '
                'ddim, ddpm or dpm_solver'
            )
        return self


class Distillation(Run):
    """How to distil a trained policy (learning/distill.py)."""

    inference_steps: int = Field(default=1, ge=1, description='of the student: one, or few')
    stride: int = Field(default=5, ge=1, description='training steps in a step of the teacher')
    solver_steps: int = Field(
        default=2, ge=1, description='of the teacher, between two points that are to agree'
    )
    huber: float = Field(
        default=0.00054, gt=0, description='error of a number below which the loss is quadratic'
    )


class Pretraining(Run):
    """How to train image encoders alone, to read off what is known of each frame."""

    vision: Vision
    beta: float = Field(default=0.05, gt=0, description='error at which the loss becomes linear')

    @model_validator(mode='after')
    def _learns(self) -> 'Pretraining':
        if self.vision.frozen:
            raise ValueError('an encoder that is frozen cannot be pretrained')
        return self
