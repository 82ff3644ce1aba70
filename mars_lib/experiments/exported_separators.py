"""Separators as the package has them: weights alone, in half precision."""

from pathlib import Path

import torch

from mars_lib import config as configs
from mars_lib.check import fail
from mars_lib.experiments.comparison import SYSTEMS
from mars_lib.io import checkpoint

# Of the pretrained separator: of 0.25, 0.5, 0.75 and 1 the share with the best reward on the
# validation split.
REWARDED = 0.75


def export(trained: Path, path: Path) -> None:
    """The separator of a training checkpoint alone, of any `Method`, in half precision."""
    saved = checkpoint.load(trained, "separator", *SYSTEMS)
    _save_separator(path, saved.part("separator"), saved.meta)


def blend(start: Path, rewarded: Path, path: Path, share: float = REWARDED) -> None:
    """Interpolate the weights of a separator before and after training with rewards.

    Not in the paper: Wortsman et al., "Robust fine-tuning of zero-shot models" (2022). What was
    learned on mini-MUSIC stays, and less is lost on real recordings.

    Args:
        start: checkpoint before, share 0.
        rewarded: checkpoint after, share 1.
        path: where the result is written, in half precision.
        share: of `rewarded`, 0 to 1.

    Raises:
        InputError: for separators of two configurations.
    """
    first, last = (checkpoint.load(each, "separator") for each in (start, rewarded))
    ours, theirs = (configs.from_dict(each.meta["config"]) for each in (first, last))
    if (ours.encoder, ours.signal, ours.separator) != (
        theirs.encoder,
        theirs.signal,
        theirs.separator,
    ):
        fail(
            f"checkpoint {rewarded}",
            f"has another configuration than {start}",
            "blend a separator with its own start",
        )
    weights, tensors = first.part("separator"), last.part("separator")
    for name, value in tensors.items():
        if value.is_floating_point():
            tensors[name] = torch.lerp(weights[name].float(), value.float(), share)
    _save_separator(path, tensors, {**last.meta, "rewarded": share})


def _save_separator(path: Path, weights: dict[str, torch.Tensor], meta: dict) -> None:
    checkpoint.save(path, halves({f"separator.{k}": v for k, v in weights.items()}), meta)


def halves(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Floating-point tensors in half precision, counters as they are."""
    return {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
