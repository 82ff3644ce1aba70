"""The climb test: what PPO makes of one mixture where only a reward says what is good.

By default there is no network: the logits of a mask's patches are the policy's parameters. Where
the reward hears what is wrong, climbing it separates; where it does not, PPO finds what the reward
cannot hear, and ends above the reward of the true source.
"""

import copy
from dataclasses import dataclass, replace

import torch
from torch import nn
from tqdm.std import tqdm

from mars_lib import check
from mars_lib.advantage import credit_in_time, group_normalise
from mars_lib.beta import log_prob
from mars_lib.config import PolicyConfig, SignalConfig
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.loss import rl_loss
from mars_lib.mask import to_waveform
from mars_lib.policy import BetaMaskPolicy, spread
from mars_lib.reward import Reward, Target
from mars_lib.rollout import Rollout, group_scores, score
from mars_lib.separator import Separator, analyse
from mars_lib.stft import LogFrequencyWarp, stft

# 16 antithetic samples a step, patches of 8, no entropy bonus.
POLICY = PolicyConfig(
    group_size=16, antithetic=True, patch=8, entropy_coefficient=0.0, kl_coefficient=0.0
)


@dataclass(frozen=True)
class Climb:
    """What climbing a reward did to B mixtures.

    Attributes:
        steps: after which steps was measured.
        improvement: (measurements, B) SI-SDR improvement in dB of the policy's mode.
        reward: (measurements, B) of the mode.
        mask: (measurements, B, H, T) the mode itself.
        reference: (B,) reward of the true sources.
    """

    steps: tuple[int, ...]
    improvement: torch.Tensor
    reward: torch.Tensor
    mask: torch.Tensor
    reference: torch.Tensor


class FreeMask(nn.Module):
    """Logits of the patches of B masks and nothing else, grey at first.

    Called, it gives proposals (B, 1, H, T).
    """

    def __init__(self, count: int, bins: int, frames: int, patch: int):
        super().__init__()
        self.patch, self.shape = patch, torch.Size([bins, frames])
        self.logits = nn.Parameter(torch.zeros(count, 1, -(-bins // patch), -(-frames // patch)))

    def forward(self) -> torch.Tensor:
        return torch.sigmoid(spread(self.logits, self.patch, self.shape))


class QueriedMask(nn.Module):
    """A copy of a separator that learns on B mixtures (B, L) and queries (B, D) alone.

    Batch norms keep their statistics. Called, it gives proposals (B, 1, H, T).
    """

    def __init__(self, separator: Separator, mixture: torch.Tensor, query: torch.Tensor):
        super().__init__()
        self.separator = copy.deepcopy(separator).eval().requires_grad_(True)
        self.magnitude, self.query = analyse(separator, mixture)[0], query[:, None]

    def forward(self) -> torch.Tensor:
        return self.separator(self.magnitude, self.query)


class _Scene:
    """B mixtures, what is wanted of each, and what a mask over them is worth."""

    def __init__(self, mixture: torch.Tensor, target: Target, reward: Reward, signal: SignalConfig):
        self.mixture, self.target, self.reward, self.signal = mixture, target, reward, signal
        self.warp, self.spectrogram = LogFrequencyWarp(signal), stft(mixture, signal)
        self.before = si_sdr(estimate=mixture, reference=target.reference)

    def estimate(self, mask: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, T) -> (B, 1, L)."""
        linear, length = self.warp.unwarp(mask[:, 0]), self.mixture.shape[-1]
        return to_waveform(linear, self.spectrogram, self.signal, length).unsqueeze(1)

    def worth(self, sound: torch.Tensor) -> torch.Tensor:
        """(B, 1, L) -> rewards (B, 1)."""
        return score(self.reward, sound, self.target)

    @torch.no_grad()
    def measured(self, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Improvement in dB and reward of (B, 1, H, T) masks, (B,) each, and the masks."""
        sound = self.estimate(mask)
        after = si_sdr(estimate=sound[:, 0], reference=self.target.reference)
        return after - self.before, self.worth(sound)[:, 0], mask.detach()[:, 0]

    @torch.no_grad()
    def roll_out(
        self, proposal: torch.Tensor, config: PolicyConfig, generator: torch.Generator
    ) -> Rollout:
        """Sample masks of the present policy and score them."""
        old = BetaMaskPolicy(proposal, config.kappa, config.patch)
        action = old.sample(generator, config.group_size, config.antithetic)
        sounds = (self.estimate(old.mask(member)) for member in action)
        rewards, windows = group_scores(self.reward, sounds, self.target, config.reward_windows)
        old_log_prob = log_prob(old.mode, action, old.kappa)
        return Rollout(action, old_log_prob, old, rewards, windows)


def _shuffled(rolled: Rollout, generator: torch.Generator) -> Rollout:
    """The same samples, each with the rewards of one of them by lot."""
    order = torch.rand(rolled.reward.shape, generator=generator).argsort(dim=0)
    windows = rolled.window_reward
    if windows is not None:
        windows = windows.gather(0, order[..., None].expand(windows.shape))
    return replace(rolled, reward=rolled.reward.gather(0, order), window_reward=windows)


def climb(
    reward: Reward,
    mixture: torch.Tensor,
    target: Target,
    signal: SignalConfig,
    measured: tuple[int, ...] = (20, 60, 100),
    *,
    learner: nn.Module | None = None,
    policy: PolicyConfig = POLICY,
    learning_rate: float = 0.1,
    epochs: int = 1,
    seed: int = 0,
    shuffled: bool = False,
    progress: bool = True,
) -> Climb:
    """Let PPO (Eq. 2 to 4) climb a reward on B mixtures.

    Args:
        reward: what is climbed.
        mixture: (B, L).
        target: what is wanted of each, B rows.
        signal: of the spectrograms.
        measured: after which steps masks are looked at, rising, from 0; the last ends the climb.
        learner: gives proposals (B, 1, H, T) and is trained; None for a `FreeMask`.
        policy: as in training, but for credit by patch.
        learning_rate: of Adam. That of a network is a thousand times smaller.
        epochs: updates from the samples of a step. From the second on the ratio of Eq. 3 is not 1.
        seed: of the policy's noise.
        shuffled: the control: the rewards of a step go to samples by lot, and say nothing.
        progress: show a progress bar.
    """
    check.at_least("epochs", epochs, 1)
    check.one_of("credit in a climb", policy.credit, ("whole",))
    scene = _Scene(mixture, target, reward, signal)
    learner = learner or FreeMask(
        len(mixture), signal.n_bins, scene.spectrogram.shape[-1], policy.patch
    )
    optimizer = torch.optim.Adam(learner.parameters(), learning_rate)
    generator = torch.Generator().manual_seed(seed)
    found = [scene.measured(learner())] if 0 in measured else []
    for step in tqdm(range(1, measured[-1] + 1), "climb", disable=not progress):
        with torch.no_grad():
            rolled = scene.roll_out(learner(), policy, generator)
        if shuffled:
            rolled = _shuffled(rolled, generator)
        advantage = group_normalise(rolled.reward)
        if rolled.window_reward is not None:
            advantage = credit_in_time(advantage, rolled.window_reward, rolled.action.shape[-1])
        for _ in range(epochs):
            new = BetaMaskPolicy(learner(), policy.kappa, policy.patch)
            loss, _ = rl_loss(new, rolled, advantage, policy)
            optimizer.zero_grad()
            (loss * len(mixture)).backward()  # each mixture on its own, whatever B is
            optimizer.step()
        if step in measured:
            found.append(scene.measured(learner()))
    improvement, value, mask = (torch.stack(each) for each in zip(*found))
    with torch.no_grad():
        reference = scene.worth(target.reference[:, None])[:, 0]
    return Climb(measured, improvement, value, mask, reference)
