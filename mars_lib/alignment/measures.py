"""What alignment changes, measured: retrieval between modalities, and the probe of Table 3."""

from collections.abc import Sequence

import torch

from mars_lib.alignment.features import MODALITIES, Alignable, TrunkFeatures


@torch.no_grad()
def retrieval(encoder: Alignable, features: TrunkFeatures) -> dict[str, float]:
    """Recall at 1 in each direction, {"audio-text": ..., ...}, each in [0, 1], over the classes
    that have both.

    A query counts when the nearest item of the other modality is of its class; every item of a
    class can be found. "audio-audio" asks with a clip for another one. Every clip is taken once, as
    it was rendered.
    """
    device = encoder.log_temperature.device
    items = {
        "audio": [rows[:, 0] for rows in features.audio], "text": features.text, "image": features.image,
    }  # fmt: skip
    embedded = {
        name: [encoder.embed_features(name, rows.to(device)).cpu() for rows in items[name]]
        for name in MODALITIES
    }
    found = {}
    for source in MODALITIES:
        for target in MODALITIES:
            if source == target != "audio":
                continue
            both = [
                i
                for i in range(len(features.names))
                if len(items[source][i]) and len(items[target][i])
            ]
            if len(both) < 2:
                continue
            queries, labels = _gather(embedded[source], both)
            gallery, answers = _gather(embedded[target], both)
            similarity = queries @ gallery.T
            if source == target:
                similarity.fill_diagonal_(-2)
            right = answers[similarity.argmax(dim=1)] == labels
            # A class counts once, however many items it has.
            found[f"{source}-{target}"] = float(
                torch.stack([right[labels == k].float().mean() for k in both]).mean()
            )
    return found


def _gather(rows: list[torch.Tensor], places: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.cat([torch.full((len(rows[i]),), i) for i in places])
    return torch.cat([rows[i] for i in places]), labels


@torch.no_grad()
def discrimination(
    encoder: Alignable, targets: torch.Tensor, mixtures: torch.Tensor, names: Sequence[str]
) -> torch.Tensor:
    """The probe of Table 3: sim(text, target) - sim(text, mixture) for every target, (B,) in [-2,
    2].

    `targets` and `mixtures` are trunk features (B, F) of clean sources and of mixtures that hold
    them, `names` their labels. Larger is better: the encoder hears that other sources are there.
    """
    device = encoder.log_temperature.device
    text = encoder.embed_features("text", encoder.trunks["text"](list(names)))
    target, mixture = (encoder.embed_features("audio", x.to(device)) for x in (targets, mixtures))
    return ((text * target).sum(dim=-1) - (text * mixture).sum(dim=-1)).cpu()
