"""Random streams: every random number is a function of what it is for, the run's seed, and a place.

Numbers that are added up (`10_000_000 * seed + step`) run into each other; digests do not.
"""

import hashlib
import json
import operator
from dataclasses import dataclass

import numpy as np
import torch

PURPOSES = (
    # Clips of a data set, by what is trained on them: no clip serves two of these.
    "separator clips",
    "query clips",
    "encoder clips",
    "judge clips",
    "fusion clips",
    "alignment clips",
    # What a step, or a class, draws.
    "mixtures",
    "queries",
    "policy noise",
    "query pictures",
    "alignment takes",
    "alignment pictures",
    "alignment pairs",
    "pretraining batches",
    "naming batches",
    "preference batches",
    "judge batches",
    "fusion batches",
    "initial weights",
)


@dataclass(frozen=True)
class Stream:
    """One purpose and one seed, as data: what `music.clip` takes.

    Raises ValueError for a purpose that is not one of `PURPOSES`.
    """

    purpose: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.purpose not in PURPOSES:
            raise ValueError(f"{self.purpose!r} is no purpose of {__name__}.PURPOSES")

    def key(self, *index: int | str) -> int:
        """256 bits for a place in the stream: a digest, so that no two places share one."""
        said = json.dumps([self.purpose, self.seed, *index], default=operator.index)
        return int.from_bytes(hashlib.sha256(said.encode()).digest(), "big")

    def rng(self, *index: int | str) -> np.random.Generator:
        """NumPy's generator for a place in the stream."""
        return np.random.default_rng(self.key(*index))


def rng(purpose: str, seed: int, *index: int | str) -> np.random.Generator:
    """NumPy's generator for a purpose, a seed and an index of numbers and names.

    >>> rng("mixtures", 0, 1).bytes(8) == rng("mixtures", 0, 1).bytes(8)
    True
    """
    return Stream(purpose, seed).rng(*index)


def generator(
    purpose: str, seed: int, *index: int | str, device: torch.device | str = "cpu"
) -> torch.Generator:
    """The same as a generator of torch, on a device.

    Of a seed torch's generator for the CPU takes 32 bits: two places draw the same by chance, once
    in four thousand million pairs, but no run of places follows another.
    """
    # 63 bits: a seed that every device takes.
    return torch.Generator(device).manual_seed(Stream(purpose, seed).key(*index) >> 193)
