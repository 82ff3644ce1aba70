"""What a separator does where training did not go: levels, crowds, noise, rooms, other words, and
sounds that are not there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.signal import fftconvolve
from tqdm.std import tqdm

from mars_lib.check import fail
from mars_lib.data import manifests
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders.base import Encoder
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.evaluation.scoring import LIMIT
from mars_lib.evaluation.statistics import summary
from mars_lib.experiments.compared_systems import Contender
from mars_lib.inference.pretrained import load_encoder

RATE = 16_000
LEVELS = (-10, -5, 0, 5, 10)
SOURCES = (2, 3, 4)
NOISES = (30, 20, 10, 0)
ROOMS = (0.2, 0.5, 1.0)
# dB under the mixture: what is returned is not heard any more.
LEAST = -60


@dataclass(frozen=True)
class Case:
    """One mixture (L,), the source (L,) that is asked for, and the words that ask. `reference` is
    silent where it is not in the mixture.
    """

    mixture: torch.Tensor
    reference: torch.Tensor
    words: str


Sources = tuple[list[str], np.ndarray]


def sources(split: str, count: int, size: int) -> Iterator[Sources]:
    """(names, (size, L) clips of RMS 0.1) of the first rows of a manifest; further sources are
    those of the rows behind, no class twice.
    """
    rows, music = manifests.read(split), manifests.music()
    for first in range(count):
        names, clips = [], []
        for row in (rows[(first + k) % len(rows)] for k in range(len(rows))):
            for sound, clip in zip(row.sounds(), row.clips):
                if sound.name not in names and len(names) < size:
                    names.append(sound.name)
                    clips.append(music.clip(split, sound, clip))
            if len(names) == size:
                break
        yield names, np.stack(clips)


def conditions() -> dict[str, dict[str, Callable[[Sources, np.random.Generator], Case]]]:
    """Curves by name: what is on their axis -> how a mixture is made of up to four sources. The
    first source is asked for.
    """
    return {
        "target's level over the other's, dB": {
            f"{d:+d}": lambda s, g, d=d: _case(s, gains=(10 ** (d / 20), 1.0)) for d in LEVELS
        },
        "sources": {str(n): lambda s, g, n=n: _case(s, gains=(1.0,) * n) for n in SOURCES},
        "mixture over white noise, dB": {
            str(d): lambda s, g, d=d: _case(s, noise=10 ** (-d / 20), rng=g) for d in NOISES
        },
        "reverberation time, s": {str(t): lambda s, g, t=t: _case(s, room=t, rng=g) for t in ROOMS},
        "asked by": {
            "name": lambda s, g: _case(s),
            "synonym": lambda s, g: _case(s, words=_synonym(s[0][0], g)),
        },
    }


def _case(
    given: Sources,
    gains: Sequence[float] = (1.0, 1.0),
    noise: float = 0.0,
    room: float = 0.0,
    words: str | None = None,
    rng: np.random.Generator | None = None,
) -> Case:
    names, clips = given
    parts = clips[: len(gains)] * np.asarray(gains, dtype=np.float32)[:, None] / len(gains)
    if room:
        parts = np.stack([_reverberated(part, room, rng) for part in parts])
    mixture = parts.sum(axis=0)
    if noise:
        mixture = mixture + noise * np.sqrt(np.mean(mixture**2)) * rng.standard_normal(
            len(mixture)
        ).astype(np.float32)
    return Case(torch.from_numpy(mixture), torch.from_numpy(parts[0]), words or names[0])


def _reverberated(wave: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """In a room whose reverberation has fallen by 60 dB after `seconds`, as loud as the direct
    sound; the reverberant source is the reference.
    """
    time = np.arange(int(seconds * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    tail /= np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    return fftconvolve(wave, tail)[: len(wave)].astype(np.float32)


def _synonym(name: str, rng: np.random.Generator) -> str:
    known = {sound.name: sound.synonyms for sound in sound_classes()}[name]
    return known[rng.integers(len(known))]


@torch.no_grad()
def curves(
    systems: Sequence[Contender],
    split: str = "unseen",
    count: int = 100,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, dict[str, dict[str, dict]]]:
    """{curve: {place on its axis: {system: {"mean", "sem", "ci95", "left_out"} of SI-SDRi in dB, by
    text}}}, over seeds and mixtures.

    `left_out` counts the mixtures where the score of a system means nothing
    (`evaluation.scoring.meaningful`, or it returned silence): they are left out for all systems.
    Besides, "leak, dB": the level of what is returned over that of the mixture, when a source is
    asked for that is there and one of a class that is not. There silence is an answer, and counts
    as `LEAST`.
    """
    device = next(systems[0].network.parameters()).device
    encoder = load_encoder(systems[0].network.config.encoder).to(device)
    given = list(sources(split, count, max(SOURCES)))
    found: dict = {}
    plan = [
        (curve, place, make)
        for curve, places in conditions().items()
        for place, make in places.items()
    ]
    for curve, place, make in tqdm(plan, f"robustness, {split}", disable=not progress):
        cases = [make(each, np.random.default_rng([seed, i])) for i, each in enumerate(given)]
        heard = _heard(systems, cases, encoder)
        floor = si_sdr(
            estimate=torch.stack([c.mixture for c in cases]),
            reference=torch.stack([c.reference for c in cases]),
        )
        found.setdefault(curve, {})[place] = _by_system(
            systems,
            {
                key: si_sdr(estimate=e, reference=torch.stack([c.reference for c in cases])) - floor
                for key, e in heard.items()
            },
        )
    there = [_case(each) for each in given]
    # The third source of a row is a class that its mixture of two does not hold.
    absent = [_case(each, words=each[0][2]) for each in given]
    loud = torch.stack([c.mixture for c in there]).square().mean(dim=-1)
    found["leak, dB"] = {
        place: _by_system(
            systems,
            {
                key: (10 * torch.log10(e.square().mean(dim=-1) / loud)).clamp(min=LEAST)
                for key, e in _heard(systems, cases, encoder).items()
            },
        )
        for place, cases in (("asked for what is there", there), ("for what is not there", absent))
    }
    return found


def _heard(
    systems: Sequence[Contender], cases: list[Case], encoder: Encoder
) -> dict[tuple[str, int], torch.Tensor]:
    """(count, L) estimates of each checkpoint, on the CPU."""
    mixture = torch.stack([case.mixture for case in cases])
    query = encoder.embed_text([case.words for case in cases])[:, None]
    return {
        (each.system, each.seed): torch.cat(
            [
                each.separate(each.network, x.to(q.device), q)[:, 0].cpu()
                for x, q in zip(mixture.split(16), query.split(16))
            ]
        )
        for each in systems
    }


def _by_system(
    systems: Sequence[Contender], values: dict[tuple[str, int], torch.Tensor]
) -> dict[str, dict]:
    used = (torch.stack(list(values.values())).abs() < LIMIT).all(dim=0)
    if not used.any():
        fail(
            "robustness",
            "has no mixture that all systems can be scored on",
            "check the checkpoints",
        )
    return {
        name: summary([v[used].tolist() for (system, _), v in values.items() if system == name])
        | {"left_out": int((~used).sum())}
        for name in dict.fromkeys(each.system for each in systems)
    }
