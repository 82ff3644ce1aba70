"""One step of reinforcement learning, and what the paper leaves to choose about it, in one dataclass."""

import math
from dataclasses import asdict, dataclass, field

import torch

from mars_lib.advantage import MovingBaseline, group_normalise
from mars_lib.check import check_training, fail
from mars_lib.config import PolicyConfig
from mars_lib.loss import check_masks, rl_loss, wbce
from mars_lib.policy import BetaMaskPolicy
from mars_lib.reward import Reward, fused, mean_of_unimodal, signal_fidelity, unimodal, with_signal
from mars_lib.rollout import QueriedBatch, ideal_mask, roll_out, score
from mars_lib.separator import Separator, hear, view
from mars_lib.training import processes

ESTIMATORS = ("score", "pathwise", "mode", "supervised")
# What each reads of a `PolicyConfig`; "mode" takes P itself as the mask, whatever the patch.
READS = {
    "score": ("group_size", "patch", "kappa", "clip_range", "entropy_coefficient", "kl_coefficient", "ratio"),
    "pathwise": ("patch", "kappa"),
    "mode": (),
    "supervised": (),
}
REWARDS = ("fused", "mean", "audio", "text", "image", "signal")


@dataclass(frozen=True)
class RLConfig:
    """A run of `mars train rl`. The defaults are the paper's (Section 3.2.1, Appendix D)."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    # Where the gradient comes from: "score" is the paper's clipped surrogate; "pathwise" goes through a sampled mask,
    # the iSTFT and the encoder (Section 3.2.1 calls the sampling reparameterised); "mode" the same, un-sampled;
    # "supervised" uses no reward.
    estimator: str = "score"
    # "fused" is Eq. 12; "mean", "audio", "text", "image" are Eq. 6; "signal" hears SI-SDR alone.
    reward: str = "fused"
    # w of R = sim + w SI-SDR (dB). Not in the paper's equations; its Section 1 asks for signal fidelity.
    signal_weight: float = 0.0
    # Weight of the supervised WBCE beside. The paper writes L = -J, and also that it keeps the original training loop.
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
        check_training(self)
        if self.patience < 1:
            fail("patience", f"is {self.patience}", "give 1 or more")
        for name in ("signal_weight", "anchor", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                fail(name.replace("_", " "), f"is {getattr(self, name)}", "give a finite number, 0 or more")
        if self.reward == "signal" and not self.signal_weight:
            fail("signal weight", "is 0, and the reward is the signal alone", "give a number above 0; the recipe has 0.03")

    def to_dict(self) -> dict:
        """Plain numbers and strings, for JSON."""
        return asdict(self)


def recipe() -> RLConfig:
    """The course's own choice beside the paper's defaults: a pathwise gradient of a reward with a signal term, anchored by WBCE."""
    return RLConfig(
        estimator="pathwise", signal_weight=0.03, anchor=0.3, batch_size=16, learning_rate=4e-4,
        steps=2_000, validate_every=250,
    )


def make_reward(config: RLConfig, embed_audio, pooling) -> Reward:
    """The reward that a configuration names, from an encoder's `embed_audio` and a trained `MLBP`."""
    if config.reward == "signal":
        return lambda estimate, target: config.signal_weight * signal_fidelity(estimate, target)
    if config.reward == "fused":
        semantic = fused(embed_audio, pooling)
    elif config.reward == "mean":
        semantic = mean_of_unimodal(embed_audio)
    else:
        semantic = unimodal(embed_audio, config.reward)
    return with_signal(semantic, config.signal_weight) if config.signal_weight else semantic


def score_loss(
    proposal: torch.Tensor,
    old_separator: Separator,
    batch: QueriedBatch,
    reward: Reward,
    baseline: MovingBaseline,
    config: PolicyConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, dict[str, float]]:
    """The paper's step (Eq. 2-4): sample from the old policy, listen, compare, move the new one.

    With G = 1 the group is the batch of all processes, but of one pass where a step is made in several.
    """
    rollout = roll_out(old_separator, batch, reward, generator, config)
    rewards = processes.gather(rollout.reward, dim=1)
    advantage = group_normalise(baseline.advantage(rewards))
    policy = BetaMaskPolicy(proposal, batch.kappa, config.patch)
    loss, stats = rl_loss(policy, rollout, processes.part(advantage, dim=1), config)
    within = rewards.std(dim=0, correction=0) if len(rewards) > 1 else rewards.std()
    return loss, {"reward": float(rewards.mean()), "reward_spread": float(within.mean()), **stats}


def pathwise_loss(
    separator: Separator,
    proposal: torch.Tensor,
    spectrogram: torch.Tensor,
    batch: QueriedBatch,
    reward: Reward,
    config: PolicyConfig,
    generator: torch.Generator | None,
) -> tuple[torch.Tensor, dict[str, float]]:
    """-R of one sampled mask a query, or without a generator of the mode, its gradient through the reward.

    The reparameterised sample of Section 3.2.1: M is a differentiable function of P and of noise.
    """
    policy = BetaMaskPolicy(proposal, batch.kappa, config.patch)
    action = policy.mode[None] if generator is None else policy.sample(generator, share=batch.share)
    estimate = hear(separator, policy.mask(action[0]), spectrogram, batch.mixture.shape[-1])
    value = score(reward, estimate, batch.target)
    return -value.mean(), {"reward": float(value.detach().mean())}


def rl_step(
    separator: Separator,
    old_separator: Separator | None,
    batch: QueriedBatch,
    reward: Reward,
    baseline: MovingBaseline,
    config: RLConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Loss and statistics of one step: the chosen estimator's loss plus `anchor` times WBCE.

    The U-Net runs once for the new policy and, for "score", once for the old one, whatever N and G are.
    """
    magnitude, spectrogram = view(separator, batch.mixture)
    proposal = separator(magnitude, batch.query)
    check_masks(proposal)
    loss, stats, anchor = proposal.new_zeros(()), {}, config.anchor
    if config.estimator == "score":
        loss, stats = score_loss(
            proposal, old_separator, batch, reward, baseline, config.policy, generator
        )
    elif config.estimator == "supervised":
        anchor = config.anchor or 1.0
    else:
        noise = generator if config.estimator == "pathwise" else None
        loss, stats = pathwise_loss(
            separator, proposal, spectrogram, batch, reward, config.policy, noise
        )
    if anchor:
        with torch.no_grad():
            ideal = ideal_mask(separator, batch.references, magnitude)
        supervised = wbce(proposal, ideal, magnitude)
        loss, stats = loss + anchor * supervised, {**stats, "wbce": float(supervised.detach())}
    # How far masks are from a constant: the first thing to go when a policy collapses.
    stats["mask_spread"] = float(proposal.detach().std(dim=(-2, -1)).mean())
    return loss, stats
