"""From rewards to advantages: a moving baseline, then each group against itself.

Section 3.2.1 and Appendix D.
"""

import torch

from mars_lib import check


class MovingBaseline:
    """The baseline of Appendix D: b <- decay b + (1 - decay) mean(R), decay 0.92.

    The paper does not say how b begins nor whether it moves before or after use: ours begins at the
    first batch's mean and moves after use, so that a batch is not compared with itself.

    Args:
        decay: from 0 to 1.
        value: b, a number or a tensor of one; None before the first reward.
    """

    def __init__(self, decay: float = 0.92, value: float | torch.Tensor | None = None):
        check.between("baseline decay", decay, 0.0, 1.0)
        self.decay, self.value = decay, value

    def advantage(self, reward: torch.Tensor) -> torch.Tensor:
        """The advantage A = R - b, of the shape of `reward`; then b moves.

        Raises `InputError`, on the CPU, for rewards that are not finite.
        """
        if not check.on_card(reward):
            check.finite("reward", reward, "repair the reward function")
        mean = reward.mean()
        before = mean if self.value is None else self.value
        self.move(mean)
        return reward - before

    def move(self, mean: float | torch.Tensor) -> None:
        """Move b towards a step's mean reward; a step of several passes moves it once."""
        before = mean if self.value is None else self.value
        self.value = self.decay * before + (1 - self.decay) * mean


def group_normalise(advantage: torch.Tensor) -> torch.Tensor:
    """The group-relative advantage (A - mean(A)) / (std(A) + 1e-6): (G, B, N) -> the same shape.

    Section 3.2.1. The paper does not say what the group is. With G > 1 it is the G samples of one
    mixture and query; with G = 1 it is the batch. The standard deviation is the biased one (divided
    by the count). Whatever was subtracted before, cancels: the baseline matters only for what is
    logged.
    """
    check.shape("advantage", advantage, "G B N")
    axes = (0,) if advantage.shape[0] > 1 else (0, 1, 2)
    shifted = _from_largest(advantage, axes)
    centred = shifted - shifted.mean(dim=axes, keepdim=True)
    return centred / (shifted.std(dim=axes, keepdim=True, correction=0) + 1e-6)


def credit_in_time(
    advantage: torch.Tensor, window_reward: torch.Tensor, frames: int
) -> torch.Tensor:
    """The advantage that each frame meets: its window's, plus that of the whole estimate.

    Ours, not the paper's, where every bin meets the advantage of the whole. What happens in one
    window says nothing about the mask of another: where rewards of windows add up to that of the
    whole, the mean of the gradient stays what it is, and W - 1 of W parts of its noise are gone.

    Args:
        advantage: (G, B, N) of the whole estimates.
        window_reward: (G, B, N, W); normalised here as `group_normalise` does.
        frames: t, of actions.

    Returns:
        (G, B, N, 1, t).

    Raises:
        InputError: for more windows than frames, of which some would meet none.
    """
    if window_reward.shape[-1] > frames:
        problem = f"are {window_reward.shape[-1]}, and an action has {frames} frames"
        check.fail("reward windows", problem, f"give {frames} or fewer, or smaller patches")
    windows = group_normalise(window_reward.flatten(2)).reshape(window_reward.shape)
    place = torch.arange(frames, device=windows.device) * windows.shape[-1] // frames
    return (advantage[..., None] + windows[..., place])[..., None, :]


def credit_by_patch(advantage: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """The advantage that each patch meets: its own, plus that of the whole estimate.

    Ours, not the paper's, where every bin meets the advantage of the whole. The energy of the error
    is a sum over patches, and what is sampled in one hardly changes the others (frames overlap: of
    a change of one bin about a third stays there, of 4 x 4 bins most). So a patch's own part of it
    points where the whole energy would, nearly without the noise of the others. Parts keep their
    proportions, so that a patch where nothing sounds counts for little. Whatever the reward is,
    this looks at the reference signal; the reward has its say through the advantage of the whole.

    Args:
        advantage: (G, B, N) of the whole estimates.
        error: (G, B, N, h, t) energies (`mars_lib.rollout.patch_errors`); less is better.

    Returns:
        (G, B, N, h, t).
    """
    # As shares of the largest one, so that squares of what is nearly silent do not vanish.
    largest = error.amax(dim=(0, -2, -1), keepdim=True).clamp(min=torch.finfo(error.dtype).tiny)
    shifted = _from_largest(error / largest, (0,))
    less = shifted.mean(dim=0, keepdim=True) - shifted
    deviation = less.square().mean(dim=(0, -2, -1), keepdim=True).sqrt()
    return advantage[..., None, None] + less / (deviation + 1e-6)


def _from_largest(values: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """`values` less the largest along some axes, so that the mean of equal ones is 0: its rounding
    would pass for a difference.
    """
    return values - values.amax(dim=axes, keepdim=True)
