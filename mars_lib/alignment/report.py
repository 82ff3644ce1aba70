"""The measurements of alignment as a table and JSON: Table 3's probe, retrieval, and what later
stages forget.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from tqdm.std import tqdm

from mars_lib.alignment.features import Alignable, TrunkFeatures
from mars_lib.alignment.measures import discrimination, retrieval
from mars_lib.alignment.run import load_heads, with_trainable_heads
from mars_lib.data import manifests
from mars_lib.evaluation.statistics import summary


def report(
    encoder: Alignable,
    heads: Mapping[str, Path],
    features: Mapping[str, TrunkFeatures],
    limit: int | None = None,
    progress: bool = True,
) -> dict:
    """{"before" or stage: {split: {"probe": {mean, sem, ci95}, "recall": {direction: ...},
    "stage1": ...}}}.

    `heads` are files by the name of their stage; "before" is the encoder as it is given, which is
    not changed. `features` by split ("test", "unseen"). The probe (Table 3) takes both sources of
    the first `limit` mixtures of the split's manifest. "stage1" is the mean recall between sound
    and text, which the first stage trains: it shows what later stages forget.
    """
    probes = {split: probe_features(encoder, split, limit, progress) for split in features}
    found = {}
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
    encoder: Alignable, split: str, limit: int | None = None, progress: bool = True
) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Trunk features of (targets, the mixtures they are in, their labels), two rows a mixture of a
    split's manifest.
    """
    music, targets, mixtures, names = manifests.music(), [], [], []
    for row in tqdm(
        manifests.read(split)[:limit], f"probe, {split}", disable=not progress, mininterval=1
    ):
        mixture, references = manifests.render(row, music)
        waves = torch.cat([references, mixture[None]]).to(encoder.log_temperature.device)
        heard = encoder.trunks["audio"](waves).float().cpu()
        targets.append(heard[:-1])
        mixtures.append(heard[-1:].expand(len(references), -1))
        names += row.classes
    return torch.cat(targets), torch.cat(mixtures), names


def table(found: dict) -> str:
    """A report as Markdown: a row a set of heads and split."""
    directions = list(next(iter(next(iter(found.values())).values()))["recall"])
    lines = [
        f"| heads | split | probe: target - mixture | {' | '.join(directions)} |",
        f"| --- | --- | --- |{' --- |' * len(directions)}",
    ]
    for name, splits in found.items():
        for split, row in splits.items():
            low, high = row["probe"]["ci95"]
            recalls = " | ".join(f"{row['recall'][d]:.2f}" for d in directions)
            lines.append(
                f"| {name} | {split} | {row['probe']['mean']:.4f} [{low:.4f}, {high:.4f}] | {recalls} |"
            )
    return "\n".join(lines)
