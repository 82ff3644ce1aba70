"""How familiar a query's words are to an open-vocabulary text encoder, and what to say if not."""

import warnings
from dataclasses import dataclass
from functools import cache
from typing import TypeGuard
from weakref import WeakKeyDictionary

import torch
from torch.nn import functional

from mars_lib.data.synthesis.classes import descriptions, sound_classes
from mars_lib.encoders.base import Encoder
from mars_lib.encoders.minibind2 import MiniBind2
from mars_lib.encoders.word_trunk import meaning

# Calibrated on the paraphrases of `benchmarks/paraphrases.json`, which no training sees: one in
# ten that name a class lies below.
LEAST = 0.62
# Of the encoders that were asked, as long as they live: how often the text head had been changed,
# and what `class_directions` gave then.
_DIRECTIONS: WeakKeyDictionary[MiniBind2, tuple[int, torch.Tensor]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Reading:
    """What an encoder takes a text for.

    Attributes:
        nearest: names of the three nearest classes, the nearest first.
        familiarity: mean of two cosines: of the embedding to the nearest class, and of the text to
            the nearest name or description of any class in the table of word pieces.
    """

    nearest: tuple[str, ...]
    familiarity: float


@torch.no_grad()
def class_directions(encoder: Encoder) -> torch.Tensor:
    """Where the classes lie: (C, D) of unit norm, in the order of the class list.

    A class is the mean of its names and of all its descriptions, which is a better place to look
    for what is near it than its name alone (as CLIP's ensembles of prompts: Radford et al., 2021).
    """
    means = [encoder.embed_text(texts).mean(dim=0) for texts in _texts()]
    return functional.normalize(torch.stack(means), dim=-1)


def _texts() -> list[list[str]]:
    """Names and descriptions of each class."""
    return [[*sound.names, *descriptions()[sound.name]] for sound in sound_classes()]


@cache
def _meanings() -> torch.Tensor:
    """(T, 128): what the table of word pieces makes of all of them."""
    return torch.stack([meaning(text) for texts in _texts() for text in texts])


@torch.no_grad()
def read(encoder: Encoder, text: str, directions: torch.Tensor | None = None) -> Reading:
    """Compare a text with all classes and with all that is said of them.

    How sure the encoder is among its classes does not tell what it does not know: "rain" is nearest
    to maracas, and to nothing else. Nearness itself does.

    Args:
        encoder: that reads it.
        text: of any words.
        directions: of the classes, where many texts are read; made anew without them.
    """
    if directions is None:
        directions = class_directions(encoder)
    cosines = directions @ encoder.embed_text([text])[0]
    names = [sound_classes()[i].name for i in cosines.topk(3).indices.tolist()]
    return Reading(tuple(names), familiarity(text, cosines))


def familiarity(text: str, cosines: torch.Tensor) -> float:
    """That of a `Reading`, from the (C,) cosines of the text's embedding to all classes."""
    said = (_meanings() @ meaning(text)).max().item()
    return (cosines.max().item() + said) / 2


def open_vocabulary(encoder: Encoder) -> TypeGuard[MiniBind2]:
    """Whether an encoder was taught by descriptions, and reads what no list of names holds."""
    return isinstance(encoder, MiniBind2)


def known_directions(encoder: MiniBind2) -> torch.Tensor:
    """`class_directions`, made anew where the head has changed: they are of two thousand texts."""
    changes = next(encoder.heads["text"].parameters())._version
    if encoder not in _DIRECTIONS or _DIRECTIONS[encoder][0] != changes:
        _DIRECTIONS[encoder] = changes, class_directions(encoder).cpu()
    return _DIRECTIONS[encoder][1].to(encoder.log_temperature.device)


def warn_of_unfamiliar(encoder: MiniBind2, text: str, stacklevel: int) -> None:
    """Warn, with the nearest classes, where a text is like nothing that the encoder was told.

    `stacklevel` counts from the caller.
    """
    reading = read(encoder, text, known_directions(encoder))
    if reading.familiarity < LEAST:
        near = ", ".join(map(repr, reading.nearest))
        warnings.warn(
            f"{text!r} may be no sound that the encoder knows (familiarity "
            f"{reading.familiarity:.2f}, below {LEAST}); nearest: {near}",
            stacklevel=stacklevel + 1,
        )
