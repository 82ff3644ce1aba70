"""What the text trunk of MiniBind learns from: names and descriptions of classes, misspelt too."""

import numpy as np
import torch

from mars_lib.data import random_streams
from mars_lib.data.synthesis.classes import SoundClass, descriptions, templates
from mars_lib.training.minibind_trunks import Batch

# Shares: of descriptions, against names in templates; of texts with a typing error.
DESCRIBED, MISSPELT = 0.6, 0.3


def word_batches(classes: tuple[SoundClass, ...], size: int, seed: int) -> Batch:
    """Texts of all classes, each a name in a template or a description of our own."""

    def batch(step: int) -> tuple[list[str], torch.Tensor]:
        rng = random_streams.rng("pretraining batches", seed, "words", step)
        labels = rng.integers(len(classes), size=size)
        texts = [_text(classes[label], rng) for label in labels]
        return texts, torch.from_numpy(labels)

    return batch


def _text(sound: SoundClass, rng: np.random.Generator) -> str:
    known = descriptions()[sound.name]
    if rng.random() < DESCRIBED:
        text = known[rng.integers(len(known))]
    else:
        name = sound.names[rng.integers(len(sound.names))]
        text = templates()[rng.integers(len(templates()))].format(name)
    return _misspelt(text, rng) if rng.random() < MISSPELT else text


def _misspelt(text: str, rng: np.random.Generator) -> str:
    """A letter lost, doubled, or in its neighbour's place."""
    at = int(rng.integers(len(text)))
    kind = rng.integers(3)
    if kind == 0 and len(text) > 3:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[: at + 1] + text[at:]
    return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
