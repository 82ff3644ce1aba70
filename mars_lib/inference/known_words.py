"""How sure an open-vocabulary text encoder is of a query, and what to say where it is not."""

import warnings
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch.nn import functional

from mars_lib.data.synthesis.classes import descriptions, sound_classes
from mars_lib.encoders.base import Encoder, TrainableEncoder

# Calibrated on the paraphrases of `benchmarks/paraphrases.json`, which no training sees: one in
# twenty that name a class lies below.
LEAST = 0.62
# Of the encoders that were asked, as long as they live.
_DIRECTIONS: WeakKeyDictionary[TrainableEncoder, torch.Tensor] = WeakKeyDictionary()


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
def class_directions(encoder: Encoder) -> torch.Tensor:
    """Where the classes lie: (C, D) of unit norm, in the order of the class list.

    A class is the mean of its names and of all its descriptions, which is a better place to look
    for what is near it than its name alone (as CLIP's ensembles of prompts: Radford et al., 2021).
    """
    texts = [[*sound.names, *descriptions()[sound.name]] for sound in sound_classes()]
    means = [encoder.embed_text(each).mean(dim=0) for each in texts]
    return functional.normalize(torch.stack(means), dim=-1)


@torch.no_grad()
def read(encoder: TrainableEncoder, text: str, directions: torch.Tensor | None = None) -> Reading:
    """Compare a text with all classes, at the encoder's temperature.

    Args:
        encoder: that reads it.
        text: of any words.
        directions: of the classes, where many texts are read; made anew without them.
    """
    if directions is None:
        directions = class_directions(encoder)
    cosines = directions @ encoder.embed_text([text])[0] / encoder.log_temperature.exp()
    found = cosines.softmax(dim=0).topk(3)
    names = [sound_classes()[i].name for i in found.indices.tolist()]
    return Reading(tuple(names), found.values[0].item())


def warn_of_low_confidence(encoder: TrainableEncoder, text: str, stacklevel: int) -> None:
    """Warn, with the nearest classes, where an encoder is not sure what a text asks for.

    `stacklevel` counts from the caller.
    """
    if encoder not in _DIRECTIONS:  # two thousand texts, and the encoder of a system stays
        _DIRECTIONS[encoder] = class_directions(encoder).cpu()
    directions = _DIRECTIONS[encoder].to(encoder.log_temperature.device)
    reading = read(encoder, text, directions)
    if reading.confidence < LEAST:
        near = ", ".join(map(repr, reading.nearest))
        warnings.warn(
            f"{text!r} may be no sound that the encoder knows (confidence "
            f"{reading.confidence:.2f}); nearest: {near}",
            stacklevel=stacklevel + 1,
        )
