"""The climb test: what PPO makes of one mixture where only a reward says what is good.

No network: the logits of a mask's patches are the policy's parameters. Where the reward hears what
is wrong, climbing it separates; where it does not, PPO finds what the reward cannot hear, and ends
above the reward of the true source.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from tqdm.std import tqdm

from mars_lib.advantage import group_normalise
from mars_lib.beta import log_prob
from mars_lib.config import PolicyConfig, SignalConfig
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.loss import rl_loss
from mars_lib.mask import to_waveform
from mars_lib.policy import BetaMaskPolicy, spread
from mars_lib.reward import Reward, Target
from mars_lib.rollout import Rollout, score
from mars_lib.stft import LogFrequencyWarp, stft


@dataclass(frozen=True)
class Climb:
    """What climbing a reward did to B mixtures.

    Attributes:
        steps: after which steps was measured.
        improvement: (measurements, B) SI-SDR improvement in dB of the policy's mode.
        reward: (measurements, B) of the mode.
        reference: (B,) reward of the true sources.
    """

    steps: tuple[int, ...]
    improvement: torch.Tensor
    reward: torch.Tensor
    reference: torch.Tensor


def climb(
    reward: Reward,
    mixture: torch.Tensor,
    target: Target,
    signal: SignalConfig,
    measured: tuple[int, ...] = (20, 60, 100),
    policy: PolicyConfig | None = None,
    learning_rate: float = 0.1,
    seed: int = 0,
    progress: bool = True,
) -> Climb:
    """Train a mask of 8 x 8 patches for each of B mixtures, from grey, by PPO (Eq. 2 to 4).

    Args:
        reward: what is climbed.
        mixture: (B, L).
        target: what is wanted of each, B rows.
        signal: of the spectrograms.
        measured: after which steps the masks are looked at; the last ends the climb.
        policy: None for 16 antithetic samples a step, kappa 9, patches of 8, no entropy bonus.
        learning_rate: of Adam, on the logits.
        seed: of the policy's noise.
        progress: show a progress bar.
    """
    policy = policy or PolicyConfig(
        group_size=16, antithetic=True, patch=8, entropy_coefficient=0.0, kl_coefficient=0.0
    )
    warp, spectrogram = LogFrequencyWarp(signal), stft(mixture, signal)
    size = [-(-edge // policy.patch) for edge in (signal.n_bins, spectrogram.shape[-1])]
    logits = torch.zeros(len(mixture), 1, *size, requires_grad=True)
    optimizer = torch.optim.Adam([logits], learning_rate)
    generator = torch.Generator().manual_seed(seed)
    shape = torch.Size([signal.n_bins, spectrogram.shape[-1]])

    def proposal() -> torch.Tensor:
        return torch.sigmoid(spread(logits, policy.patch, shape))

    def estimate(mask: torch.Tensor) -> torch.Tensor:
        return to_waveform(
            warp.unwarp(mask[:, 0]), spectrogram, signal, mixture.shape[-1]
        ).unsqueeze(1)

    before = si_sdr(estimate=mixture, reference=target.reference)
    gains, rewards = [], []
    for step in tqdm(range(1, measured[-1] + 1), "climb", disable=not progress):
        rolled = _roll_out(reward, proposal, estimate, target, policy, generator)
        new = BetaMaskPolicy(proposal(), policy.kappa, policy.patch)
        loss, _ = rl_loss(new, rolled, group_normalise(rolled.reward), policy)
        optimizer.zero_grad()
        (loss * len(mixture)).backward()  # each mixture on its own, whatever B is
        optimizer.step()
        if step in measured:
            with torch.no_grad():
                found = estimate(proposal())
                gains.append(si_sdr(estimate=found[:, 0], reference=target.reference) - before)
                rewards.append(score(reward, found, target)[:, 0])
    with torch.no_grad():
        reference = score(reward, target.reference[:, None], target)[:, 0]
    return Climb(measured, torch.stack(gains), torch.stack(rewards), reference)


@torch.no_grad()
def _roll_out(
    reward: Reward,
    proposal: Callable[[], torch.Tensor],
    estimate: Callable[[torch.Tensor], torch.Tensor],
    target: Target,
    config: PolicyConfig,
    generator: torch.Generator,
) -> Rollout:
    """Sample masks of the present policy and score them."""
    old = BetaMaskPolicy(proposal(), config.kappa, config.patch)
    action = old.sample(generator, config.group_size, config.antithetic)
    rewards = [score(reward, estimate(old.mask(member)), target) for member in action]
    return Rollout(action, log_prob(old.mode, action, old.kappa), old, torch.stack(rewards))
