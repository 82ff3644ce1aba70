"""A rollout: masks sampled from the old policy, their estimates, and the rewards of these."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch.nn import functional

from mars_lib import beta, check
from mars_lib.config import PolicyConfig
from mars_lib.mask import check_masks, ideal_binary
from mars_lib.policy import BetaMaskPolicy
from mars_lib.reward import Reward, Target, compared_with, in_windows
from mars_lib.separator import Separator, analyse, reconstruct
from mars_lib.stft import magnitude_of, stft


@dataclass(frozen=True)
class Scene:
    """Mixtures, their references, and what a separator's signal path makes of both, once.

    Attributes:
        mixture: (B, L).
        references: (B, N, L).
        magnitude: (B, H, T), warped, of the mixtures: what the policy sees.
        spectrogram: (B, F, T), complex, of the mixtures: what masks multiply.
        ideal: (B, N, H, T) ideal binary masks (Section 3.1.2), each 0 or 1.
    """

    mixture: torch.Tensor
    references: torch.Tensor
    magnitude: torch.Tensor
    spectrogram: torch.Tensor
    ideal: torch.Tensor

    def __len__(self) -> int:
        return len(self.mixture)

    def __getitem__(self, rows: slice) -> "Scene":
        return Scene(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True)
class QueriedBatch:
    """Mixtures with their queries.

    Attributes:
        scene: B mixtures of N references, what each query should give.
        query: (B, N, D) embeddings.
        target: of every query, B * N rows in the same order.
        kappa: this step's concentration.
        share: (which, of how many) parts of the step's batch it is cut from: of several processes.
        turn: (which, of how many) passes over that part this is.
    """

    scene: Scene
    query: torch.Tensor
    target: Target
    kappa: float = 9.0
    share: tuple[int, int] = (0, 1)
    turn: tuple[int, int] = (0, 1)

    def passes(self, count: int) -> list["QueriedBatch"]:
        """The same as `count` smaller batches; number i holds every `count`-th mixture from i on.

        So the mixtures of a pass are the same, however many processes have a part of the step.
        Raises `InputError` when it cannot be cut evenly.
        """
        batch = len(self.scene)
        if batch % count:
            problem = f"of {batch} cannot be cut into {count} equal parts"
            check.fail("batch", problem, "give a divisor of it")
        found = []
        for i in range(count):
            rows = slice(i, None, count)
            one = QueriedBatch(
                scene=self.scene[rows],
                query=self.query[rows],
                target=self.target.of(rows, self.query.shape[1]),
                kappa=self.kappa,
                share=self.share,
                turn=(i, count),
            )
            found.append(one)
        return found


@dataclass(frozen=True)
class Rollout:
    """One pass under the old policy; data, without gradients.

    Attributes:
        action: (G, B, N, h, t) sampled actions; for patch 1 they are the masks.
        old_log_prob: (G, B, N, h, t) log pi_old of the actions, per bin.
        old_policy: pi_old, with its proposals.
        reward: (G, B, N).
        window_reward: (G, B, N, W) of the windows of the estimates; None for W = 1.
        patch_error: (G, B, N, h, t) energies of the error; None without credit by patch.
    """

    action: torch.Tensor
    old_log_prob: torch.Tensor
    old_policy: BetaMaskPolicy
    reward: torch.Tensor
    window_reward: torch.Tensor | None = None
    patch_error: torch.Tensor | None = None


@torch.no_grad()
def scene_of(separator: Separator, mixture: torch.Tensor, references: torch.Tensor) -> Scene:
    """Analyse (B, L) mixtures and their (B, N, L) references, in float32 and without gradients."""
    with torch.autocast(mixture.device.type, enabled=False):
        magnitude, spectrogram = analyse(separator, mixture)
        of_references = magnitude_of(stft(references, separator.config.signal))
        reference_magnitude = separator.warp.warp(of_references)
    ideal = ideal_binary(reference_magnitude, magnitude)
    return Scene(mixture, references, magnitude, spectrogram, ideal)


def ideal_estimate(separator: Separator, scene: Scene) -> torch.Tensor:
    """y* of Section 3.2.1, (B, N, L): the mixture through the ideal masks of its references.

    "Analogously" to an estimate, so that target and estimate suffer the same masking.
    """
    return reconstruct(separator, scene.ideal, scene.spectrogram, scene.mixture.shape[-1])


def score(reward: Reward, estimate: torch.Tensor, target: Target) -> torch.Tensor:
    """The rewards of estimates: (B, N, L) -> (B, N) float32.

    Raises:
        InputError: for a reward of another shape; on the CPU also for NaN.
        FloatingPointError: on the CPU, for NaN in an estimate.
    """
    batch, sources = estimate.shape[:2]
    with torch.autocast(estimate.device.type, enabled=False):
        value = reward(estimate.flatten(0, 1), target)
    check.shape("reward", value, "B", B=batch * sources)
    check_masks(estimate)
    if not check.on_card(value):
        check.finite("reward", value, "repair the reward function")
    return value.float().reshape(batch, sources)


def window_scores(
    reward: Reward, estimate: torch.Tensor, target: Target, count: int
) -> torch.Tensor:
    """Rewards of `count` equal windows of estimates (B, N, L): (B, N, count) float32.

    Each window is compared with that of its reference, and with the embeddings of the whole. What
    is left over at the end belongs to none. Raises what `score` raises.
    """
    length = estimate.shape[-1] // count
    found = []
    for start in range(0, count * length, length):
        window = slice(start, start + length)
        part = replace(target, reference=target.reference[..., window])
        found.append(score(reward, estimate[..., window], part))
    return torch.stack(found, dim=-1)


def patch_errors(
    separator: Separator, estimate: torch.Tensor, reference: torch.Tensor, patch: int
) -> torch.Tensor:
    """The energy of estimate minus reference that lies in each patch of a mask (ours).

    Args:
        separator: whose rows of frequency the patches are of.
        estimate: (B, N, L).
        reference: (B * N, L).
        patch: side of the patches.

    Returns:
        (B, N, h, t), sums over bins, at least 0; together the energy of the error's spectrogram.
    """
    error = stft(estimate.flatten(0, 1) - reference, separator.config.signal)
    rows = separator.warp.share(error.abs().square())
    pooled = functional.avg_pool2d(rows, patch, ceil_mode=True, divisor_override=1)
    return pooled.unflatten(0, estimate.shape[:2])


def group_scores(
    reward: Reward, estimates: Iterable[torch.Tensor], target: Target, windows: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Rewards of a group, one member after another: (G, B, N), and (G, B, N, W) of their windows.

    `estimates` are G of (B, N, L); without windows (W = 1) the second is None. `in_windows` says
    what scores a window.
    """
    whole, parts = [], []
    for estimate in estimates:
        whole.append(score(reward, estimate, target))
        if windows > 1:
            parts.append(window_scores(in_windows(reward), estimate, target, windows))
    return torch.stack(whole), torch.stack(parts) if parts else None


@torch.no_grad()
def roll_out(
    old_separator: Separator,
    batch: QueriedBatch,
    reward: Reward,
    generator: torch.Generator,
    config: PolicyConfig,
) -> Rollout:
    """Sample G masks a query from the old policy (Eq. 2), reconstruct and score their estimates.

    The U-Net runs once whatever G and N are; the reward encoder embeds one group member at a time,
    so that memory grows with G by the actions, their log-probabilities and, with credit by patch,
    their errors alone.

    Args:
        old_separator: theta_old, whose proposals make pi_old.
        batch: B mixtures with N queries each.
        reward: what scores an estimate.
        generator: of the policy's noise, on the separator's device.
        config: G, the side of a patch, whether samples are antithetic, W and the kind of credit.

    Returns:
        Actions, their log-probabilities and rewards, and what credit needs, without gradients.
    """
    scene, length = batch.scene, batch.scene.mixture.shape[-1]
    proposal = old_separator(scene.magnitude, batch.query)
    old_policy = BetaMaskPolicy(proposal, batch.kappa, config.patch)
    action = old_policy.sample(
        generator, config.group_size, config.antithetic, batch.share, batch.turn
    )
    by_patch = config.credit == "patch"
    reference = compared_with(reward, batch.target).reference if by_patch else None
    errors = []

    def estimates() -> Iterator[torch.Tensor]:
        for member in action:
            mask = old_policy.mask(member)
            estimate = reconstruct(old_separator, mask, scene.spectrogram, length)
            if reference is not None:
                errors.append(patch_errors(old_separator, estimate, reference, config.patch))
            yield estimate

    rewards, windows = group_scores(reward, estimates(), batch.target, config.reward_windows)
    # As `rl_loss` computes it, so that its rounding cancels: it would add up in a joint ratio.
    old_log_prob = beta.log_prob(old_policy.mode, action, old_policy.kappa)
    of_patches = torch.stack(errors) if errors else None
    return Rollout(action, old_log_prob, old_policy, rewards, windows, of_patches)
