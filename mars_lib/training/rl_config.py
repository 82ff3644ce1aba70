"""What the paper leaves to choose about reinforcement learning, in one dataclass."""

import math
from dataclasses import asdict, dataclass, field

from mars_lib import check
from mars_lib.check import fail
from mars_lib.config import PolicyConfig
from mars_lib.reward import (
    Reward,
    fused,
    mean_of_unimodal,
    signal_fidelity,
    unimodal,
    with_signal,
)

ESTIMATORS = ("score", "pathwise", "mode", "supervised")


# What each reads of a `PolicyConfig`; "mode" takes P itself as the mask, whatever the patch.
READS = {
    "score": (
        "group_size",
        "patch",
        "kappa",
        "clip_range",
        "entropy_coefficient",
        "kl_coefficient",
        "ratio",
    ),
    "pathwise": ("patch", "kappa"),
    "mode": (),
    "supervised": (),
}


REWARDS = ("fused", "mean", "audio", "text", "image", "signal")


@dataclass(frozen=True)
class RLConfig:
    """A run of `mars train rl`. The defaults are the paper's (Section 3.2.1, Appendix D)."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    # Where the gradient comes from: "score" is the paper's clipped surrogate; "pathwise" goes
    # through a sampled mask, the iSTFT and the encoder (Section 3.2.1 calls the sampling
    # reparameterised); "mode" the same, un-sampled; "supervised" uses no reward.
    estimator: str = "score"
    # "fused" is Eq. 12; "mean", "audio", "text", "image" are Eq. 6; "signal" hears SI-SDR alone.
    reward: str = "fused"
    # w of R = sim + w SI-SDR (dB). Not in the paper's equations; its Section 1 asks for signal
    # fidelity.
    signal_weight: float = 0.0
    # Weight of the supervised WBCE beside. The paper writes L = -J, and also that it keeps the
    # original training loop.
    anchor: float = 0.0
    steps: int = 2_000
    # Of all processes together, and the passes that make one step of it.
    batch_size: int = 32
    accumulate: int = 1
    learning_rate: float = 2e-4
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    augment: float = 0.9
    queries_per_class: int = 64
    validate_every: int = 100
    validation_mixtures: int = 128
    # Validations without a better reward before the run stops.
    patience: int = 10
    precision: str = "bf16-mixed"
    seed: int = 0

    def __post_init__(self):
        for name, known in (("estimator", ESTIMATORS), ("reward", REWARDS)):
            if getattr(self, name) not in known:
                fail(name, f"is {getattr(self, name)!r}", f"give one of {', '.join(known)}")
        check.training(self)
        if self.patience < 1:
            fail("patience", f"is {self.patience}", "give 1 or more")
        for name in ("signal_weight", "anchor", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                fail(
                    name.replace("_", " "),
                    f"is {getattr(self, name)}",
                    "give a finite number, 0 or more",
                )
        if self.reward == "signal" and not self.signal_weight:
            fail(
                "signal weight",
                "is 0, and the reward is the signal alone",
                "give a number above 0; the recipe has 0.03",
            )

    def to_dict(self) -> dict:
        """Plain numbers and strings, for JSON."""
        return asdict(self)


def recipe() -> RLConfig:
    """The course's own choice beside the paper's defaults: a pathwise gradient of a reward with a
    signal term, anchored by WBCE.
    """
    return RLConfig(
        estimator="pathwise",
        signal_weight=0.03,
        anchor=0.3,
        batch_size=16,
        learning_rate=4e-4,
        steps=2_000,
        validate_every=250,
    )


def make_reward(config: RLConfig, embed_audio, pooling) -> Reward:
    """The reward that a configuration names, from an encoder's `embed_audio` and a trained
    `MLBP`.
    """
    if config.reward == "signal":
        return lambda estimate, target: config.signal_weight * signal_fidelity(estimate, target)
    if config.reward == "fused":
        semantic = fused(embed_audio, pooling)
    elif config.reward == "mean":
        semantic = mean_of_unimodal(embed_audio)
    else:
        semantic = unimodal(embed_audio, config.reward)
    return with_signal(semantic, config.signal_weight) if config.signal_weight else semantic
