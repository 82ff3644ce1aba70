"""The kinds of query that systems are compared with, and their embeddings."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from mars_lib.data import pictures
from mars_lib.data.manifests import TestMixture
from mars_lib.data.music import Music
from mars_lib.encoders.base import Encoder
from mars_lib.inference.drawn_queries import embed_pictures, embed_words
from mars_lib.query import query_mixup

QUERIES = ("text", "audio", "image", "composed")
# Weights of audio, image and text in a composed query. The paper does not say; OmniSep's code adds
# one audio, two image and two text embeddings.
COMPOSED = (0.5, 1.0, 1.0)


def embed_queries(
    encoder: Encoder,
    rows: Sequence[TestMixture],
    query: str,
    music: Music,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """(B, N, D) queries of manifest rows, each source queried by its own example.

    Audio queries are other clips of the class, image queries are drawings held out from training,
    text queries are the class names.
    """
    pairs = [(row, n) for row in rows for n in range(len(row.classes))]
    embeddings = embed(
        encoder,
        query,
        [row.classes[n] for row, n in pairs],
        (music.clip(row.split, row.sounds()[n], row.query_clips[n]) for row, n in pairs),
        (_held_out_drawing(row, n) for row, n in pairs),
        device,
    )
    return embeddings.reshape(len(rows), -1, embeddings.shape[-1])


@torch.no_grad()
def embed(
    encoder: Encoder,
    query: str,
    names: list[str],
    clips: Iterable[np.ndarray],
    drawings: Iterable[torch.Tensor],
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """(M, D) queries by M names, clips (L,) or drawings (3, 224, 224), whichever `query` needs."""
    found = {}
    if query in ("audio", "composed"):
        waves = torch.stack([torch.from_numpy(clip) for clip in clips])
        found["audio"] = encoder.embed_audio(waves.to(device))
    if query in ("image", "composed"):
        found["image"] = embed_pictures(encoder, torch.stack(list(drawings)).to(device))
    if query in ("text", "composed"):
        found["text"] = embed_words(encoder, names)
    if query == "composed":
        stacked = torch.stack([found[m] for m in ("audio", "image", "text")], dim=1)
        weights = torch.tensor(COMPOSED, device=device).expand(len(names), -1)
        found["composed"] = query_mixup(stacked, weights)
    return found[query]


def _held_out_drawing(row: TestMixture, source: int) -> torch.Tensor:
    sound = row.sounds()[source]
    files = {path.stem: path for path in pictures.drawings(sound, row.split)}
    return pictures.load_picture(files[row.query_drawings[source]])
