"""The measurements of alignment: Table 3's probe, retrieval, and what later stages forget."""

from collections.abc import Mapping
from pathlib import Path

import torch
from tqdm.std import tqdm

from mars_lib.alignment.features import TrunkFeatures
from mars_lib.alignment.measures import discrimination, retrieval
from mars_lib.alignment.run import load_heads, with_trainable_heads
from mars_lib.data import manifests
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.evaluation.statistics import summary, with_interval


def report(
    encoder: TrainableEncoder,
    heads: Mapping[str, Path],
    features: Mapping[str, TrunkFeatures],
    limit: int | None = None,
    progress: bool = True,
) -> dict:
    """Measure an encoder before alignment, and with the heads of each stage.

    Args:
        encoder: as it was before alignment; it is not changed.
        heads: files of heads by the name of their stage.
        features: trunk features by split, "test" or "unseen".
        limit: mixtures of a split's manifest for the probe, all of them without it.
        progress: whether to show progress bars.

    Returns:
        {"before" or stage: {split: {"probe": {mean, sem, ci95}, "recall": {direction: ...},
        "stage1": ...}}}. The probe (Table 3) is over both sources of the mixtures. "stage1" is the
        mean recall between sound and text, which the first stage trains: it shows what later
        stages forget.
    """
    probes = {split: probe_features(encoder, split, limit, progress) for split in features}
    found: dict[str, dict[str, dict]] = {}
    for name in ("before", *heads):
        ours = with_trainable_heads(encoder)
        if name != "before":
            load_heads(ours, heads[name])
        found[name] = {}
        for split, rows in features.items():
            recall = retrieval(ours, rows)
            kept = [recall[direction] for direction in ("audio-text", "text-audio")]
            probe = summary(discrimination(ours, *probes[split]).tolist())
            found[name][split] = {"probe": probe, "recall": recall, "stage1": sum(kept) / len(kept)}
    return found


@torch.no_grad()
def probe_features(
    encoder: TrainableEncoder, split: str, limit: int | None = None, progress: bool = True
) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Compute the trunk features of the probe, two rows a mixture of a split's manifest.

    Args:
        encoder: whose trunk runs.
        split: "test" or "unseen".
        limit: the first mixtures of the manifest, all of them without it.
        progress: whether to show a progress bar.

    Returns:
        Features (B, width) of the targets, features (B, width) of the mixtures they are in, and the
        B labels.
    """
    music, targets, mixtures, names = manifests.music(), [], [], []
    rows = manifests.read(split)[:limit]
    for row in tqdm(rows, f"probe, {split}", disable=not progress, mininterval=1):
        mixture, references = manifests.render(row, music)
        waves = torch.cat([references, mixture[None]]).to(encoder.log_temperature.device)
        features = encoder.trunks["audio"](waves).float().cpu()
        targets.append(features[:-1])
        mixtures.append(features[-1:].expand(len(references), -1))
        names += row.classes
    return torch.cat(targets), torch.cat(mixtures), names


def table(found: Mapping[str, Mapping[str, dict]]) -> str:
    """Write a report as Markdown: a row for each set of heads and split."""
    directions = list(next(iter(next(iter(found.values())).values()))["recall"])
    lines = [
        f"| heads | split | probe: target - mixture | {' | '.join(directions)} |",
        f"| --- | --- | --- |{' --- |' * len(directions)}",
    ]
    for name, splits in found.items():
        for split, row in splits.items():
            recalls = " | ".join(f"{row['recall'][d]:.2f}" for d in directions)
            probe = with_interval(row["probe"], ".4f")
            lines.append(f"| {name} | {split} | {probe} | {recalls} |")
    return "\n".join(lines)
