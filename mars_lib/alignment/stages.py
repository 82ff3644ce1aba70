"""The three stages: what is trained, on what, and which state is kept (Section 3.3)."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from tqdm.std import tqdm

from mars_lib import check
from mars_lib.alignment import losses
from mars_lib.alignment.features import TrunkFeatures
from mars_lib.alignment.pairs import Pairs, PairSampler
from mars_lib.check import fail
from mars_lib.encoders.base import TrainableEncoder

# The heads that each stage trains, beside the shared temperature. In stage 1 the paper unfreezes
# "the projection heads"; the picture head has no gradient there, and AdamW's decay alone would
# shrink it.
TRAINED = {"stage1": ("audio", "text"), "stage2": ("audio",), "stage3": ("audio", "image")}
# The control of Section E.3: all pairs and all heads at once.
TRAINED["one-stage"] = ("audio", "text", "image")
MARGINAL = ("stage2", "stage3", "one-stage")  # whose losses have the margin of Eq. 8 and 9
PICTURED = ("stage3", "one-stage")  # whose losses compare with pictures (Eq. 9)
STAGES = ("stage1", "stage2", "stage3")
# Batches of the validation split that a stage's state is judged by, the same at every validation.
CHECKS = 8
# Bounds of the temperature: CLIP's lower one, and no flatter than plain cosine.
LOWEST, HIGHEST = 0.01, 1.0


@dataclass(frozen=True)
class AlignmentConfig:
    """What the paper leaves open about the stages: it gives no number for any of these.

    Attributes:
        steps: at most, in each stage; the control has three times as many.
        batch_size: classes of a batch.
        learning_rate: AdamW's.
        weight_decay: AdamW's.
        lambdas: lambda_1 to lambda_3 of Eq. 8.
        margin: m of Eq. 8 and 9.
        mus: mu_1 to mu_4 of Eq. 9.
        hard_negatives: share of the triplets of sounds that are anchor, cleaner and more
            contaminated; ours. 0 is the paper. 0 to 1.
        dropout: share of the trunks' features that a step does not see, 0 to 0.9. The paper does
            not say; we default to none.
        replay: weight of the first stage's loss while the second runs, the paper's "fraction of
            audio-text pairs"; 0 to 1.
        validate_every: steps.
        patience: validations without a lower loss before a stage ends.
        seed: for everything random.
    """

    steps: int = 400
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    lambdas: tuple[float, float, float] = (1.0, 1.0, 0.1)
    margin: float = 0.2
    mus: tuple[float, float, float, float] = (1.0, 1.0, 0.5, 0.5)
    hard_negatives: float = 0.0
    dropout: float = 0.0
    replay: float = 0.5
    validate_every: int = 25
    patience: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "validate_every", "patience"):
            if getattr(self, name) < 1:
                fail(name.replace("_", " "), f"is {getattr(self, name)}", "give 1 or more")
        if self.batch_size < 2:
            remedy = "give 2 or more: each class is told from another"
            fail("batch size", f"is {self.batch_size}", remedy)
        check.learning_rate(self.learning_rate)
        check.seed(self.seed)
        if not 0 <= self.margin < math.inf or not 0 <= self.replay <= 1:
            problem = f"are {self.margin} and {self.replay}"
            fail("margin and replay", problem, "give 0 or more, and 0 to 1")
        if not 0 <= self.hard_negatives <= 1:
            fail("hard negatives", f"are {self.hard_negatives}", "give a share of 0 to 1")
        if not 0 <= self.dropout <= 0.9:
            fail("dropout", f"is {self.dropout}", "give a share of 0 to 0.9")


DEFAULTS = AlignmentConfig()


def stage_loss(
    encoder: TrainableEncoder, stage: str, pairs: Pairs, config: AlignmentConfig
) -> torch.Tensor:
    """Compute L_S1, L_S2 or L_S3 (Eq. 7-9) of one batch; the control's loss is that of stage 3."""
    device = encoder.log_temperature.device

    def z(modality: str, features: torch.Tensor) -> torch.Tensor:
        return encoder.embed_features(modality, features.to(device))

    temperature = encoder.log_temperature.exp()
    audio = z("audio", pairs.audio)
    one = losses.stage_one(audio, z("text", pairs.text), temperature)
    if stage == "stage1":
        return one
    other, wrong = z("audio", pairs.other), z("audio", pairs.wrong_audio)
    two = losses.stage_two(audio, other, wrong, temperature, config.lambdas, config.margin)
    if stage == "stage2":
        return two + config.replay * one
    image, mismatched = z("image", pairs.image), z("image", pairs.wrong_image)
    return losses.stage_three(
        audio, image, mismatched, (one, two), temperature, config.mus, config.margin
    )


def train_stage(
    encoder: TrainableEncoder,
    stage: str,
    train: TrunkFeatures,
    validation: TrunkFeatures,
    config: AlignmentConfig,
    *,
    log: Callable[..., None] | None = None,
    progress: bool = True,
) -> dict[str, float]:
    """Train one stage's heads and the temperature in place, and leave the best of them.

    "Best" is the lowest loss of the stage itself on fixed batches of `validation`; the paper does
    not name its metric. (Recall at 1 is soon full, and then tells states apart no more.) The trunks
    never run and nothing else changes.

    Args:
        encoder: whose heads are trained; it is changed.
        stage: "stage1", "stage2", "stage3" or "one-stage".
        train: features to train on.
        validation: features to choose the best state by.
        config: everything that the paper leaves open.
        log: called at validations with a step, and its loss, temperature and validation_loss.
        progress: whether to show a progress bar.

    Returns:
        {"step", "loss"} of the state that was kept.

    Raises:
        InputError: for an unknown stage, and for a temperature that is not above 0.
        FloatingPointError: when the loss is no longer finite.
    """
    check_stages((stage,))
    _check_temperature(encoder)
    pictures = stage in PICTURED
    sampler = _sampler(train, config, config.seed, stage, config.dropout)
    checks = _fixed_batches(validation, config, pictures)
    parameters = trained_parameters(encoder, stage)
    best = _Best(parameters, _validate(encoder, stage, checks, config))
    steps = config.steps * (len(STAGES) if stage == "one-stage" else 1)
    with tqdm(range(steps), stage, disable=not progress, mininterval=0.5) as bar, best.kept():
        optimizer = torch.optim.AdamW(
            parameters, config.learning_rate, weight_decay=config.weight_decay
        )
        for step in bar:
            loss = stage_loss(encoder, stage, sampler.draw(step, pictures), config)
            if not torch.isfinite(loss):
                problem = f"{stage}: the loss is {loss.item()} at step {step}"
                raise FloatingPointError(f"{problem}; lower the learning rate")
            _update(encoder, optimizer, loss)
            if (step + 1) % config.validate_every and step + 1 < steps:
                continue
            held, tau = _validate(encoder, stage, checks, config), encoder.log_temperature.exp()
            if log is not None:
                log(step, loss=loss.item(), temperature=tau.item(), validation_loss=held)
            best.offer(step + 1, held)
            bar.set_postfix(loss=f"{loss.item():.3f}", validation=f"{held:.3f}")
            if best.waited >= config.patience:
                break
    return {"step": best.step, "loss": best.loss}


def _sampler(
    features: TrunkFeatures, config: AlignmentConfig, seed: int, stage: str, dropout: float = 0.0
) -> PairSampler:
    size = min(config.batch_size, len(features.names))
    return PairSampler(features, size, seed, stage, config.hard_negatives, dropout)


def _fixed_batches(
    validation: TrunkFeatures, config: AlignmentConfig, pictures: bool
) -> list[Pairs]:
    """Draw the batches of every validation, the same for all seeds and stages."""
    sampler = _sampler(validation, config, 0, "validation")
    return [sampler.draw(i, pictures) for i in range(CHECKS)]


class _Best:
    """The state of the parameters with the lowest validation loss so far.

    Args:
        parameters: what is trained, as it is before the first step.
        loss: their validation loss.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], loss: float) -> None:
        self.parameters, self.step, self.loss = parameters, 0, loss
        self.waited = 0  # validations without a lower loss
        self._values = _copies(parameters)

    def offer(self, step: int, loss: float) -> None:
        """Keep the present state if its loss is the lowest."""
        self.waited += 1
        if loss < self.loss:
            self.step, self.loss, self.waited = step, loss, 0
            self._values = _copies(self.parameters)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Let the parameters learn inside; at the end, however it comes, they are the best ones."""
        learned = [parameter.requires_grad for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value, learns in zip(self.parameters, self._values, learned):
                    parameter.copy_(value)
                    parameter.requires_grad_(learns)


def _update(
    encoder: TrainableEncoder, optimizer: torch.optim.Optimizer, loss: torch.Tensor
) -> None:
    """Take one step down the loss, with the temperature kept within its bounds."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    low, high = (torch.tensor(bound).log().item() for bound in (LOWEST, HIGHEST))
    with torch.no_grad():
        encoder.log_temperature.clamp_(low, high)


def _check_temperature(encoder: TrainableEncoder) -> None:
    if not torch.isfinite(encoder.log_temperature):
        problem = f"is {encoder.log_temperature.exp().item()}"
        fail("temperature", problem, "start from one above 0; 0.07 is usual")


def check_stages(stages: tuple[str, ...]) -> None:
    """Raise `InputError` for a name that is no stage."""
    for stage in stages:
        if stage not in TRAINED:
            fail("stage", f"is {stage!r}", f"give one of {', '.join(TRAINED)}")


def trained_parameters(encoder: TrainableEncoder, stage: str) -> list[torch.nn.Parameter]:
    """List all that a stage may change: the heads of `TRAINED` and the shared temperature."""
    heads = [p for name in TRAINED[stage] for p in encoder.heads[name].parameters()]
    return [*heads, encoder.log_temperature]


def _copies(parameters: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [p.detach().clone() for p in parameters]


@torch.no_grad()
def _validate(
    encoder: TrainableEncoder, stage: str, checks: list[Pairs], config: AlignmentConfig
) -> float:
    found = [stage_loss(encoder, stage, pairs, config) for pairs in checks]
    return float(torch.stack(found).mean())
