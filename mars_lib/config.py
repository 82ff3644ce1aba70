"""Every number of a run, in frozen dataclasses; three presets: `paper()`, `small()`, `smoke()`.

The paper's numbers are the defaults. `small()` and `smoke()` change sizes, never the method.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mars_lib import check
from mars_lib.check import fail

# Of the package; a run that is resumed must be of the same one.
VERSION = "0.4.0"
LARGEST_KAPPA = 10_000  # above it float32 no longer holds the logarithms of Eq. 3
# What a file may ask for: beyond any use, and within any machine that can separate.
LIMITS = {
    "sample_rate": (1_000, 192_000),
    "length": (1_024, 1 << 20),
    "n_fft": (64, 16_384),
    "hop_length": (16, 8_192),
    "n_bins": (8, 2_048),
    "n_layers": (5, 10),
    "n_masks": (1, 1_024),
    "width": (1, 1_024),
    "embedding_size": (1, 65_536),
    "n_sources": (1, 64),
}


@dataclass(frozen=True)
class SignalConfig:
    """Sampling and STFT (paper, Appendix B)."""

    sample_rate: int = 16_000
    # 65,535 and not 65,536: with centred frames an odd length gives exactly 256 of them.
    length: int = 65_535
    n_fft: int = 1024
    hop_length: int = 256
    # H, the rows that the U-Net sees. The paper does not name the warp; its mask is 256 x 256.
    n_bins: int = 256

    @property
    def n_frames(self) -> int:
        """T for one training segment."""
        return self.length // self.hop_length + 1


@dataclass(frozen=True)
class SeparatorConfig:
    """U-Net and query gate (paper, Section 3.1.2 and Appendix B): D is `embedding_size`."""

    n_layers: int = 7
    n_masks: int = 32
    # Channels of the first layer; doubled up to 8 times this. 64 gives the 30,274,210 parameters.
    width: int = 64
    embedding_size: int = 1024


@dataclass(frozen=True)
class TrainingConfig:
    """Supervised training (paper, Appendix B; what it leaves open follows OmniSep's recipe)."""

    # Of all processes together.
    batch_size: int = 128
    # Passes that make one step: each holds this part of the batch in memory. BatchNorm sees a pass
    # at a time, of all processes, so that a step in passes is not the step in one.
    accumulate: int = 1
    steps: int = 200_000
    # The paper does not say; OmniSep's 1e-3 with a linear warm-up, then a linear fall to a tenth.
    learning_rate: float = 1e-3
    warmup_steps: int = 5_000
    decay_steps: int = 100_000
    gradient_clip: float = 1.0
    n_sources: int = 2
    # Random gain of each source before they are summed and divided by N.
    gain_low: float = 0.5
    gain_high: float = 1.5
    # Clips of a class that mixtures are drawn from. The paper's data sets have some hundreds.
    clips_per_class: int = 256
    # Share of training clips that are augmented (equaliser, room, pitch, noise ...); 0: none.
    augment: float = 0.9
    # Examples of each modality and class embedded before training starts: the queries to draw from.
    queries_per_class: int = 64
    # Query the target's own recording, as OmniSep does. A leak: off.
    query_own_recording: bool = False
    validate_every: int = 2_000
    validation_mixtures: int = 256
    precision: str = "bf16-mixed"
    seed: int = 0

    def __post_init__(self) -> None:
        check.training(self)


@dataclass(frozen=True)
class PolicyConfig:
    """The Beta policy and its objective (paper, Section 3.2.1 and Appendix D).

    The defaults are the paper's. Every point that the paper leaves open is a field; the function
    that reads it says why the default is what it is.
    """

    # Fields with a help text are options of `mars train rl`.
    kappa: float = field(default=9.0, metadata={"help": "Concentration of the Beta policy."})
    kappa_end: float = field(default=9.0, metadata={"follows": "kappa"})
    kappa_schedule: str = "constant"
    clip_range: float = field(default=0.2, metadata={"help": "eps of Eq. 4."})
    ratio: str = field(default="bin", metadata={"help": "Per bin, frame or joint."})
    entropy_coefficient: float = field(
        default=0.1, metadata={"help": "Weight of the entropy bonus.", "option": "--entropy"}
    )
    kl_coefficient: float = field(
        default=0.01, metadata={"help": "Weight of KL(new || old).", "option": "--kl"}
    )
    reduction: str = "mean"
    group_size: int = field(default=1, metadata={"help": "G, samples of one mixture."})
    patch: int = field(
        default=1, metadata={"help": "Side of the patches acted on; 1 acts on bins."}
    )
    antithetic: bool = False
    # W windows have a reward of their own, beside that of the whole. Ours; 1 is the paper.
    reward_windows: int = field(
        default=1, metadata={"help": "Windows of an estimate with a reward of their own; 1: none."}
    )
    # "patch": each has an advantage of its own, too, by its part of the error's energy. Ours.
    credit: str = field(
        default="whole",
        metadata={"help": "whole: one advantage an estimate; patch: one more a patch, by error."},
    )
    baseline_decay: float = 0.92
    # Optimiser steps between the weights that sample and those that learn; 1 is the paper's
    # theta_{t-1}. With 0 the snapshot is taken too late: every ratio is 1 and clipping never acts.
    lag: int = 1

    def __post_init__(self) -> None:
        for name, kappa in (("kappa", self.kappa), ("kappa_end", self.kappa_end)):
            if not 0 < kappa <= LARGEST_KAPPA:
                remedy = f"give a number above 0 and at most {LARGEST_KAPPA}; the paper uses 9"
                fail(name, f"is {kappa}", remedy)
        if not 0 < self.clip_range < 1:
            fail("clip range", f"is {self.clip_range}", "give a number between 0 and 1")
        if not math.isfinite(self.entropy_coefficient + self.kl_coefficient):
            problem = f"are {self.entropy_coefficient} and {self.kl_coefficient}"
            fail("entropy and KL coefficients", problem, "give finite numbers")
        for name in ("group size", "patch", "reward windows"):
            check.at_least(name, getattr(self, name.replace(" ", "_")), 1)
        check.at_least("lag", self.lag, 0)
        if self.antithetic and self.group_size % 2:
            remedy = "give an even number: antithetic samples come in pairs"
            fail("group size", f"is {self.group_size}", remedy)
        check.one_of("kappa schedule", self.kappa_schedule, ("constant", "linear", "cosine"))
        check.one_of("ratio", self.ratio, ("bin", "frame", "joint"))
        check.credit(self)
        check.one_of("reduction", self.reduction, ("mean", "sum"))


@dataclass(frozen=True)
class Config:
    """Everything that a checkpoint must know to be used again."""

    name: str = "paper"
    # The encoder whose embeddings the query gate reads (see
    # `mars_lib.inference.pretrained.load_encoder`).
    encoder: str = "imagebind"
    signal: SignalConfig = field(default_factory=SignalConfig)
    separator: SeparatorConfig = field(default_factory=SeparatorConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


def paper() -> Config:
    """The paper's configuration.

    >>> paper().signal.n_frames
    256
    """
    return Config()


def small() -> Config:
    """A laptop's configuration: 2-second segments, 128 x 128 masks, a narrow U-Net, MiniBind2."""
    return Config(
        name="small",
        encoder="minibind2",
        signal=SignalConfig(length=32_767, n_bins=128),
        separator=SeparatorConfig(width=24, embedding_size=256),
        training=TrainingConfig(
            batch_size=16,
            steps=10_000,
            warmup_steps=200,
            decay_steps=10_000,
            clips_per_class=1_024,
            validate_every=500,
            validation_mixtures=128,
        ),
    )


def comparison() -> Config:
    """What `mars benchmark` compares systems at: `small()` at half the width, with MiniBind.

    The U-Net has 1.1 million parameters, and a checkpoint 2 MB.
    """
    config = small()
    return replace(
        config,
        name="comparison",
        encoder="minibind",
        separator=replace(config.separator, width=12),
        training=replace(
            config.training,
            steps=1_200,
            warmup_steps=100,
            decay_steps=1_200,
            clips_per_class=256,
            validate_every=400,
            validation_mixtures=96,
        ),
    )


def smoke() -> Config:
    """A few seconds of everything, for tests."""
    config = small()
    return replace(
        config,
        name="smoke",
        encoder="minibind",
        separator=replace(config.separator, width=4),
        training=replace(
            config.training,
            batch_size=4,
            steps=6,
            warmup_steps=2,
            decay_steps=6,
            clips_per_class=8,
            queries_per_class=4,
            validate_every=3,
            validation_mixtures=4,
            precision="32-true",
        ),
    )


def profile(name: str) -> Config:
    """The configuration of a profile: "smoke", "cpu" (small), "gpu", "paper".

    "gpu" is the paper's network and segment with MiniBind2's embeddings and a batch that a 16 GiB
    card holds. Raises `InputError` for any other name.
    """
    if name == "gpu":
        large = paper()
        return replace(
            large,
            name="gpu",
            encoder=small().encoder,
            separator=replace(large.separator, embedding_size=small().separator.embedding_size),
            training=replace(
                large.training,
                batch_size=32,
                steps=40_000,
                warmup_steps=1_000,
                decay_steps=40_000,
                validate_every=1_000,
            ),
        )
    presets = {"smoke": smoke, "cpu": small, "paper": paper}
    if name not in presets:
        fail("profile", f"is {name!r}", "give smoke, cpu, gpu or paper")
    return presets[name]()


def to_dict(config: Config) -> dict[str, Any]:
    """Plain numbers and strings, for JSON."""
    return asdict(config)


def from_dict(values: Mapping[str, Any], name: str = "configuration") -> Config:
    """The inverse of `to_dict`.

    Raises `InputError` about `name`, for other fields, other types and absurd sizes.
    """
    again = "train the checkpoint again"
    try:
        found = Config(
            name=values["name"],
            # Checkpoints older than the choice were all MiniBind's.
            encoder=values.get("encoder", "minibind"),
            signal=SignalConfig(**values["signal"]),
            separator=SeparatorConfig(**values["separator"]),
            training=TrainingConfig(**values["training"]),
        )
    except (TypeError, KeyError) as error:
        fail(name, f"does not fit this version ({error})", again)
    for part in (found, found.signal, found.separator, found.training):
        check.values(name, part, LIMITS, again)
    if not 2 * found.signal.hop_length <= found.signal.n_fft <= found.signal.length:
        fail(name, "has hops or a length that do not fit its n_fft", again)
    return found
