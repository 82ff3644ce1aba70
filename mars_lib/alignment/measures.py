"""What alignment changes, measured: retrieval between modalities, and the probe of Table 3."""

from collections.abc import Sequence

import torch

from mars_lib.alignment.features import MODALITIES, TrunkFeatures
from mars_lib.encoders.base import TrainableEncoder


@torch.no_grad()
def retrieval(encoder: TrainableEncoder, features: TrunkFeatures) -> dict[str, float]:
    """Compute the recall at 1 in each direction, over the classes that have both modalities.

    A query counts when the nearest item of the other modality is of its class; every item of a
    class can be found. In "audio-audio" a clip is the query for another one. Every clip is used
    once, as it was rendered.

    Returns:
        {"audio-text": ..., ...}, each in [0, 1]: the mean over classes.
    """
    device = encoder.log_temperature.device
    clips = [rows[:, 0] for rows in features.audio]
    items = {"audio": clips, "text": features.text, "image": features.image}
    embedded = {
        name: [encoder.embed_features(name, rows.to(device)).cpu() for rows in items[name]]
        for name in MODALITIES
    }
    found = {}
    for source in MODALITIES:
        for target in MODALITIES:
            if source == target != "audio":
                continue
            pairs = enumerate(zip(items[source], items[target]))
            both = [i for i, (one, other) in pairs if len(one) and len(other)]
            if len(both) < 2:
                continue
            queries, labels = _gather(embedded[source], both)
            gallery, answers = _gather(embedded[target], both)
            similarity = queries @ gallery.T
            if source == target:
                similarity.fill_diagonal_(-2)
            right = answers[similarity.argmax(dim=1)] == labels
            # A class counts once, however many items it has.
            recalls = [right[labels == k].float().mean() for k in both]
            found[f"{source}-{target}"] = float(torch.stack(recalls).mean())
    return found


def _gather(rows: list[torch.Tensor], places: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.cat([torch.full((len(rows[i]),), i) for i in places])
    return torch.cat([rows[i] for i in places]), labels


@torch.no_grad()
def discrimination(
    encoder: TrainableEncoder, targets: torch.Tensor, mixtures: torch.Tensor, names: Sequence[str]
) -> torch.Tensor:
    """Compute the probe of Table 3, sim(text, target) - sim(text, mixture), for every target.

    Larger is better: the encoder tells that other sources are there.

    Args:
        encoder: whose embeddings are compared.
        targets: trunk features (B, width) of clean sources.
        mixtures: trunk features (B, width) of mixtures that hold them.
        names: labels of the B sources.

    Returns:
        (B,) in [-2, 2].
    """
    device = encoder.log_temperature.device
    text = encoder.embed_features("text", encoder.trunks["text"](list(names)))
    target, mixture = (encoder.embed_features("audio", x.to(device)) for x in (targets, mixtures))
    return ((text * target).sum(dim=-1) - (text * mixture).sum(dim=-1)).cpu()
