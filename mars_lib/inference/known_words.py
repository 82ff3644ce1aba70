"""How sure an open-vocabulary text encoder is of a query, and what to say where it is not."""

import warnings
from dataclasses import dataclass

import torch

from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders.base import TrainableEncoder

# Calibrated on the paraphrases of `benchmarks/paraphrases.json`, which no training sees: one in
# twenty that name a class lies below.
LEAST = 0.40


@dataclass(frozen=True)
class Reading:
    """What an encoder takes a text for.

    Attributes:
        nearest: names of the three nearest classes, the nearest first.
        confidence: probability of the nearest among all classes, in [0, 1].
    """

    nearest: tuple[str, ...]
    confidence: float


@torch.no_grad()
def read(encoder: TrainableEncoder, text: str) -> Reading:
    """Compare a text with the names of all classes, at the encoder's temperature."""
    names = [sound.name for sound in sound_classes()]
    embedded = encoder.embed_text([text, *names])
    cosines = embedded[1:] @ embedded[0] / encoder.log_temperature.exp()
    found = cosines.softmax(dim=0).topk(3)
    return Reading(tuple(names[i] for i in found.indices.tolist()), found.values[0].item())


def warn_of_low_confidence(encoder: TrainableEncoder, text: str, stacklevel: int) -> None:
    """Warn, with the nearest classes, where an encoder is not sure what a text asks for.

    `stacklevel` counts from the caller.
    """
    reading = read(encoder, text)
    if reading.confidence < LEAST:
        near = ", ".join(map(repr, reading.nearest))
        warnings.warn(
            f"{text!r} may be no sound that the encoder knows (confidence "
            f"{reading.confidence:.2f}); nearest: {near}",
            stacklevel=stacklevel + 1,
        )
