"""The three stages: what is trained, on what, and which checkpoint goes on (Section 3.3)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from tqdm.std import tqdm

from mars_lib import check
from mars_lib.alignment import losses
from mars_lib.alignment.features import Alignable, TrunkFeatures
from mars_lib.alignment.pairs import Pairs, PairSampler
from mars_lib.check import fail

# The heads that each stage trains, beside the shared temperature. In stage 1 the paper unfreezes
# "the projection heads"; the picture head has no gradient there, and AdamW's decay alone would
# shrink it.
TRAINED = {"stage1": ("audio", "text"), "stage2": ("audio",), "stage3": ("audio", "image")}
# The control of Section E.3: all pairs and all heads at once.
TRAINED["one-stage"] = ("audio", "text", "image")
MARGINAL = ("stage2", "stage3", "one-stage")  # whose losses have the margin of Eq. 8 and 9
STAGES = ("stage1", "stage2", "stage3")
CHECKS = 8  # batches of the validation split that a stage's state is judged by, the same at every validation
LOWEST, HIGHEST = (
    0.01,
    1.0,
)  # bounds of the temperature; CLIP's lower one, and no flatter than plain cosine


@dataclass(frozen=True)
class AlignmentConfig:
    """Everything that the paper leaves open about the stages; it gives no number for any of
    these.
    """

    steps: int = 400  # at most, in each stage; the control has three times as many
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    lambdas: tuple[float, float, float] = (1.0, 1.0, 0.1)
    margin: float = 0.2
    mus: tuple[float, float, float, float] = (1.0, 1.0, 0.5, 0.5)
    # Weight of the first stage's loss while the second runs: the paper's "fraction of audio-text
    # pairs".
    replay: float = 0.5
    validate_every: int = 25
    patience: int = 6  # validations without a lower loss before a stage ends
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "validate_every", "patience"):
            if getattr(self, name) < 1:
                fail(name.replace("_", " "), f"is {getattr(self, name)}", "give 1 or more")
        if self.batch_size < 2:
            fail(
                "batch size",
                f"is {self.batch_size}",
                "give 2 or more: each class is told from another",
            )
        check.learning_rate(self.learning_rate)
        check.seed(self.seed)
        if not 0 <= self.margin < math.inf or not 0 <= self.replay <= 1:
            fail(
                "margin and replay",
                f"are {self.margin} and {self.replay}",
                "give 0 or more, and 0 to 1",
            )


def stage_loss(
    encoder: Alignable, stage: str, pairs: Pairs, config: AlignmentConfig
) -> torch.Tensor:
    """L_S1, L_S2 or L_S3 (Eq. 7-9) of one batch; the control's loss is that of stage 3."""
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
    encoder: Alignable,
    stage: str,
    train: TrunkFeatures,
    validation: TrunkFeatures,
    config: AlignmentConfig,
    *,
    log: Callable[..., None] | None = None,
    progress: bool = True,
) -> dict[str, float]:
    """Train one stage's heads and the temperature in place, and leave the best of them in the
    encoder.

    "Best" is the lowest loss of the stage itself on fixed batches of `validation`; the paper does
    not name its metric. (Recall at 1 is soon full, and then tells states apart no more.) The trunks
    never run and nothing else changes. Returns {"step", "loss"} of what was kept. Raises
    `InputError` for an unknown stage and for a temperature that is not above 0, FloatingPointError
    when the loss is no longer finite.
    """
    check_stages((stage,))
    if not torch.isfinite(encoder.log_temperature):
        fail(
            "temperature",
            f"is {encoder.log_temperature.exp().item()}",
            "start from one above 0; 0.07 is usual",
        )
    sampler = PairSampler(train, min(config.batch_size, len(train.names)), config.seed, stage)
    pictures = stage in ("stage3", "one-stage")
    held_out = PairSampler(
        validation, min(config.batch_size, len(validation.names)), stage="validation"
    )
    checks = [held_out.draw(i, pictures) for i in range(CHECKS)]
    parameters = trained_parameters(encoder, stage)
    frozen = [p.requires_grad for p in parameters]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(
        parameters, config.learning_rate, weight_decay=config.weight_decay
    )
    best, kept, since = (
        {"step": 0, "loss": _validate(encoder, stage, checks, config)},
        _copies(parameters),
        0,
    )
    steps = config.steps * (len(STAGES) if stage == "one-stage" else 1)
    bar = tqdm(range(steps), stage, disable=not progress, mininterval=0.5)
    try:
        for step in bar:
            loss = stage_loss(encoder, stage, sampler.draw(step, pictures), config)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"{stage}: the loss is {loss.item()} at step {step}; lower the learning rate"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                encoder.log_temperature.clamp_(
                    torch.tensor(LOWEST).log().item(), torch.tensor(HIGHEST).log().item()
                )
            if (step + 1) % config.validate_every == 0 or step + 1 == steps:
                held = _validate(encoder, stage, checks, config)
                if log is not None:
                    tau = encoder.log_temperature.exp().item()
                    log(step, loss=loss.item(), temperature=tau, validation_loss=held)
                since += 1
                if held < best["loss"]:
                    best, kept, since = {"step": step + 1, "loss": held}, _copies(parameters), 0
                bar.set_postfix(loss=f"{loss.item():.3f}", validation=f"{held:.3f}")
                if since >= config.patience:
                    break
    finally:
        bar.close()
        with torch.no_grad():
            for parameter, value, learns in zip(parameters, kept, frozen):
                parameter.copy_(value)
                parameter.requires_grad_(learns)
    return best


def check_stages(stages: tuple[str, ...]) -> None:
    """Raise `InputError` for a name that is no stage."""
    for stage in stages:
        if stage not in TRAINED:
            fail("stage", f"is {stage!r}", f"give one of {', '.join(TRAINED)}")


def trained_parameters(encoder: Alignable, stage: str) -> list[torch.nn.Parameter]:
    """All that a stage may change: the heads of `TRAINED` and the shared temperature."""
    heads = [p for name in TRAINED[stage] for p in encoder.heads[name].parameters()]
    return [*heads, encoder.log_temperature]


def _copies(parameters: list[torch.Tensor]) -> list[torch.Tensor]:
    return [p.detach().clone() for p in parameters]


@torch.no_grad()
def _validate(
    encoder: Alignable, stage: str, checks: list[Pairs], config: AlignmentConfig
) -> float:
    return float(
        torch.stack([stage_loss(encoder, stage, pairs, config) for pairs in checks]).mean()
    )
