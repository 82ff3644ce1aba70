"""Words and pictures as queries, drawn to the classes that they are near.

One phrase or one drawing is a rough sketch of a sound; the mean of all that is said of its class is
a better one. Ours, not the paper's: CLIP's ensembles of prompts (Radford et al., 2021) at the side
of the query. Sounds are queries as they are: they gain nothing by it.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

from mars_lib.encoders.base import Encoder
from mars_lib.inference.known_words import LEAST, familiarity, known_directions, open_vocabulary

# How much the classes count beside the query itself, and how few of them: chosen on validation
# mixtures and on recordings (docs/results.md).
TEXT_PULL, IMAGE_PULL, TEMPERATURE = 2.0, 0.5, 0.05


@torch.no_grad()
def embed_words(encoder: Encoder, texts: Sequence[str]) -> torch.Tensor:
    """The queries of texts: (B, D) of unit norm.

    A text that is not familiar stays as it is, and so do all where the encoder has no open
    vocabulary.
    """
    own = encoder.embed_text(texts)
    if not open_vocabulary(encoder):
        return own
    directions = known_directions(encoder)
    known = [familiarity(text, row) >= LEAST for text, row in zip(texts, own @ directions.T)]
    drawn = _drawn(own, directions, TEXT_PULL)
    return torch.where(torch.tensor(known, device=own.device)[:, None], drawn, own)


@torch.no_grad()
def embed_pictures(encoder: Encoder, images: torch.Tensor) -> torch.Tensor:
    """The queries of pictures (B, 3, 224, 224) in [0, 1]: (B, D) of unit norm."""
    own = encoder.embed_image(images)
    if not open_vocabulary(encoder):
        return own
    return _drawn(own, known_directions(encoder), IMAGE_PULL)


def _drawn(own: torch.Tensor, directions: torch.Tensor, pull: float) -> torch.Tensor:
    """(B, D) embeddings and their attention over (C, D) directions, `pull` of it: of unit norm."""
    attention = functional.softmax(own @ directions.T / TEMPERATURE, dim=-1)
    towards = functional.normalize(attention @ directions, dim=-1)
    return functional.normalize(own + pull * towards, dim=-1)
