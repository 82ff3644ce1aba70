"""Separators as the package has them: weights alone, in half precision, and short logs."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import torch

from mars_lib import alignment
from mars_lib import config as configs
from mars_lib.check import fail
from mars_lib.data.music import Music
from mars_lib.experiments.comparison import SYSTEMS
from mars_lib.inference.pretrained import load_encoder
from mars_lib.io import assets, atomic, checkpoint
from mars_lib.separator import Separator
from mars_lib.training import log
from mars_lib.training.state import separator_checkpoint

# Of the pretrained separator: of 0, 0.25, 0.5, 0.75 and 1 the share with the best SI-SDRi by text
# on the validation split and on recordings (`benchmarks/blends.py`).
REWARDED = 0.75
CLIPS = 24  # of a class that a gate is fitted to


def export(trained: Path, path: Path) -> None:
    """The separator of a training checkpoint alone, of any `Method`, in half precision."""
    saved = checkpoint.load(trained, "separator", *SYSTEMS)
    _save_separator(path, saved.part("separator"), saved.meta)


def export_log(run: Path, name: str, every: int = 50) -> None:
    """Keep the log of a run in the package's data, `logs/NAME/metrics.csv`.

    Args:
        run: its folder.
        name: of what was trained.
        every: steps that become a row, the means of their numbers; what is measured at a few steps
            alone, as a validation, stays what it was. `step` is the last of them.
    """
    rows = log.rows(run)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    for start in range(0, len(rows), every):
        part = rows[start : start + every]
        means = {}
        for key in dict.fromkeys(key for row in part for key in row):
            values = [row[key] for row in part if key in row]
            means[key] = f"{sum(values) / len(values):.5g}"
        writer.writerow(means | {"step": int(part[-1]["step"])})
    path = assets.folder() / "logs" / name / "metrics.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, file.getvalue())


def requeried(trained: Path, name: str, music: Music) -> tuple[dict[str, torch.Tensor], dict]:
    """A separator whose query gate reads another encoder's embeddings: what its checkpoint holds.

    The gate is fitted by least squares (`alignment.adapt_gate`) to the same clips, pictures and
    texts as both encoders embed them; the U-Net stays.

    Args:
        trained: a separator's checkpoint.
        name: of the other encoder, with embeddings of the same size.
        music: whose training split the examples are from.
    """
    saved = checkpoint.load(trained, "separator")
    config = configs.from_dict(saved.meta["config"], f"checkpoint {trained}")
    separator = checkpoint.build(lambda: Separator(config), saved.part("separator"), str(trained))
    before, after = (
        alignment.query_bank(
            each, alignment.trunk_features(each, music, "train", clips=CLIPS, variants=2)
        )
        for each in map(load_encoder, (config.encoder, name))
    )
    with torch.no_grad():
        adapted = alignment.adapt_gate(separator, before, after)
    return separator_checkpoint(configs.to_dict(replace(config, encoder=name)), adapted)


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
