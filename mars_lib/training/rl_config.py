"""What the paper leaves to choose about reinforcement learning, in one dataclass."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from mars_lib import check
from mars_lib.check import fail, one_of
from mars_lib.config import PolicyConfig
from mars_lib.reward import (
    MLBP,
    Reward,
    fused,
    mean_of_unimodal,
    signal_fidelity,
    unimodal,
    with_signal,
)

ESTIMATORS = ("score", "pathwise", "mode", "supervised")
REWARDS = ("fused", "mean", "audio", "text", "image", "signal")
# The options of the policy that each estimator reads; "mode" takes P itself as the mask, whatever
# the patch.
READS: dict[str, tuple[str, ...]] = {
    "score": (
        "group_size",
        "reward_windows",
        "credit",
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


def option(default: Any, text: str, name: str = "") -> Any:
    """A field that is also an option of `mars train rl`: its help, its name if it has another."""
    return field(default=default, metadata={"help": text} | ({"option": name} if name else {}))


@dataclass(frozen=True)
class RLConfig:
    """A run of `mars train rl`. The defaults are the paper's (Section 3.2.1, Appendix D).

    Fields with a help text are options of the command.
    """

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    # Where the gradient comes from: "score" is the paper's clipped surrogate; "pathwise" goes
    # through a sampled mask, the iSTFT and the encoder (Section 3.2.1 calls the sampling
    # reparameterised); "mode" the same, un-sampled; "supervised" uses no reward.
    estimator: str = option("score", "score (the paper's PPO), pathwise, mode or supervised.")
    # "fused" is Eq. 12; "mean", "audio", "text", "image" are Eq. 6; "signal" is SI-SDR alone.
    reward: str = option("fused", "fused, mean, audio, text, image or signal.")
    # w of R = sim + w SI-SDR (dB). Not in the paper's equations; its Section 1 asks for signal
    # fidelity.
    signal_weight: float = option(0.0, "w of R = sim + w SI-SDR.")
    # The paper writes L = -J, and also that it keeps the original training loop.
    anchor: float = option(0.0, "Weight of the supervised WBCE beside the reward.")
    steps: int = option(2_000, "Optimiser steps.")
    # Of all processes together.
    batch_size: int = option(32, "Mixtures a step.")
    accumulate: int = option(
        1,
        "Passes that make one step, for a card that holds a part of the batch; with G = 1 rewards "
        "are compared within a pass.",
    )
    learning_rate: float = option(2e-4, "Peak of AdamW's.")
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    clips_per_class: int = option(256, "Clips of a class that mixtures are drawn from.", "--clips")
    augment: float = 0.9
    queries_per_class: int = option(64, "Examples of a class that queries are drawn from.")
    validate_every: int = option(100, "Steps between validations.")
    validation_mixtures: int = option(128, "Mixtures of a validation.")
    # Validations without a better reward before the run stops.
    patience: int = 10
    precision: str = option("bf16-mixed", "32-true, bf16-mixed or 16-mixed.")
    seed: int = option(0, "For everything random.")

    def __post_init__(self) -> None:
        for name, known in (("estimator", ESTIMATORS), ("reward", REWARDS)):
            one_of(name, getattr(self, name), known)
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
    """The course's own choice beside the paper's defaults.

    A pathwise gradient of a reward with a signal term, anchored by WBCE.
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


def ppo_recipe() -> RLConfig:
    """PPO (Eq. 2 to 4) with the reward and the anchor of `recipe`, made less noisy.

    Eight antithetic samples a mixture, patches of 4 x 4 bins with credit of their own (ours), no
    entropy bonus: `benchmarks/gradient_noise.py` and `benchmarks/controls.py` say why.
    """
    policy = PolicyConfig(
        group_size=8,
        patch=4,
        antithetic=True,
        credit="patch",
        entropy_coefficient=0.0,
        kl_coefficient=0.0,
    )
    return replace(recipe(), estimator="score", policy=policy, learning_rate=1e-3)


# What `mars train rl --preset` names; the first is the default.
PRESETS = {"recipe": recipe(), "ppo": ppo_recipe(), "paper": RLConfig()}


def make_reward(
    config: RLConfig, embed_audio: Callable[[torch.Tensor], torch.Tensor], pooling: MLBP
) -> Reward:
    """The reward that a configuration names.

    Args:
        config: names it, and has the weight of its signal term.
        embed_audio: (B, L) waveforms -> (B, D), of the reward encoder.
        pooling: trained fusion, for the reward "fused".
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
