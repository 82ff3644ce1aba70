"""What a separator does off its training data: levels, more sources, noise, reverberation, other
words, and sounds that are not in the mixture.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.signal import fftconvolve
from tqdm.std import tqdm

from mars_lib.check import fail
from mars_lib.data import manifests
from mars_lib.data.music import Music
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders.base import Encoder
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.evaluation.scoring import LIMIT, MetricSummary
from mars_lib.evaluation.statistics import summary
from mars_lib.experiments.compared_systems import TrainedSystem
from mars_lib.inference.drawn_queries import embed_words

RATE = 16_000
LEVELS = (-10, -5, 0, 5, 10)
SOURCES = (2, 3, 4)
NOISES = (30, 20, 10, 0)
ROOMS = (0.2, 0.5, 1.0)
# dB under the mixture: what is returned cannot be heard any more.
LEAST = -60


@dataclass(frozen=True)
class Case:
    """One mixture and its query.

    Attributes:
        mixture: (L,).
        reference: (L,), the queried source as it is in the mixture.
        words: the text query.
    """

    mixture: torch.Tensor
    reference: torch.Tensor
    words: str


# Names of up to four sources, and their (size, L) clips.
Sources = tuple[list[str], np.ndarray]
MakeCase = Callable[[Sources, np.random.Generator], Case]


def sources(split: str, count: int, size: int, music: Music | None = None) -> Iterator[Sources]:
    """`size` sources of RMS 0.1 for each of the first `count` rows of a manifest.

    Further sources are those of the rows behind, no class twice.
    """
    rows, music = manifests.read(split), music or manifests.music()
    for first in range(count):
        names: list[str] = []
        clips: list[np.ndarray] = []
        for row in (rows[(first + k) % len(rows)] for k in range(len(rows))):
            for sound, clip in zip(row.sounds(), row.clips):
                if sound.name not in names and len(names) < size:
                    names.append(sound.name)
                    clips.append(music.clip(split, sound, clip))
            if len(names) == size:
                break
        yield names, np.stack(clips)


def conditions() -> dict[str, dict[str, MakeCase]]:
    """Curves by name: place on the axis -> how a case is made of up to four sources.

    The first source is the queried one.
    """
    return {
        "target's level over the other's, dB": {
            f"{d:+d}": partial(_case, gains=(10 ** (d / 20), 1.0)) for d in LEVELS
        },
        "sources": {str(n): partial(_case, gains=(1.0,) * n) for n in SOURCES},
        "mixture over white noise, dB": {
            str(d): partial(_case, noise=10 ** (-d / 20)) for d in NOISES
        },
        "reverberation time, s": {str(t): partial(_case, room=t) for t in ROOMS},
        "asked by": {"name": _case, "synonym": _by_synonym},
    }


def _case(
    given: Sources,
    rng: np.random.Generator,
    gains: Sequence[float] = (1.0, 1.0),
    noise: float = 0.0,
    room: float = 0.0,
    words: str | None = None,
) -> Case:
    """As many sources as there are `gains`, queried by `words` or the name of the first.

    `noise` is its RMS over that of the mixture, `room` a reverberation time in seconds.
    """
    names, clips = given
    parts = clips[: len(gains)] * np.asarray(gains, dtype=np.float32)[:, None] / len(gains)
    if room:
        parts = np.stack([_reverberated(part, room, rng) for part in parts])
    mixture = parts.sum(axis=0)
    if noise:
        white = rng.standard_normal(len(mixture)).astype(np.float32)
        mixture = mixture + noise * np.sqrt(np.mean(mixture**2)) * white
    return Case(torch.from_numpy(mixture), torch.from_numpy(parts[0]), words or names[0])


def _by_synonym(given: Sources, rng: np.random.Generator) -> Case:
    known = {sound.name: sound.synonyms for sound in sound_classes()}[given[0][0]]
    return _case(given, rng, words=known[rng.integers(len(known))])


def _reverberated(wave: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """In a room whose reverberation falls by 60 dB in `seconds`, at first as loud as the direct
    sound; the reverberant source is the reference.
    """
    time = np.arange(int(seconds * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    tail /= np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    return fftconvolve(wave, tail)[: len(wave)].astype(np.float32)


@torch.no_grad()
def curves(
    systems: Sequence[TrainedSystem],
    split: str = "unseen",
    count: int = 100,
    seed: int = 0,
    progress: bool = True,
    music: Music | None = None,
) -> dict[str, dict[str, dict[str, MetricSummary]]]:
    """SI-SDRi by text queries under all `conditions`, and what leaks.

    "leak, dB" is the level of the estimate over that of the mixture, when a source is queried that
    is there and one of a class that is not. There silence is an answer, and counts as `LEAST`.

    Args:
        systems: what is compared.
        split: the manifest that sources are from.
        count: mixtures at each place of a curve.
        seed: of noise, rooms and synonyms.
        progress: show a progress bar.
        music: `manifests.music()`, as it is or remembered.

    Returns:
        {curve: {place on its axis: {system: `scoring.MetricSummary` in dB}}}, over seeds and
        mixtures. `left_out` counts the mixtures where the score of a system means nothing
        (`evaluation.scoring.meaningful`, or it returned silence): they are left out for all
        systems.
    """
    encoder = systems[0].load_encoder()
    given = list(sources(split, count, max(SOURCES), music))
    found: dict[str, dict[str, dict[str, MetricSummary]]] = {}
    plan = [
        (curve, place, make)
        for curve, places in conditions().items()
        for place, make in places.items()
    ]
    for curve, place, make in tqdm(plan, f"robustness, {split}", disable=not progress):
        cases = [make(each, np.random.default_rng([seed, i])) for i, each in enumerate(given)]
        found.setdefault(curve, {})[place] = _summaries(_gains(systems, cases, encoder))
    rng = np.random.default_rng(seed)  # nothing is drawn
    there = [_case(each, rng) for each in given]
    # The third source of a row is a class that its mixture of two does not hold.
    absent = [_case(each, rng, words=each[0][2]) for each in given]
    found["leak, dB"] = {
        "asked for what is there": _summaries(_leaks(systems, there, encoder)),
        "for what is not there": _summaries(_leaks(systems, absent, encoder)),
    }
    return found


# (count,) decibels by system and seed.
Decibels = dict[tuple[str, int], torch.Tensor]


def _gains(systems: Sequence[TrainedSystem], cases: list[Case], encoder: Encoder) -> Decibels:
    """SI-SDRi of every case."""
    reference = torch.stack([case.reference for case in cases])
    estimates = _estimates(systems, cases, encoder)
    floor = si_sdr(estimate=torch.stack([case.mixture for case in cases]), reference=reference)
    return {
        key: si_sdr(estimate=each, reference=reference) - floor for key, each in estimates.items()
    }


def _leaks(systems: Sequence[TrainedSystem], cases: list[Case], encoder: Encoder) -> Decibels:
    """Level of every estimate over that of its mixture."""
    power = torch.stack([case.mixture for case in cases]).square().mean(dim=-1)
    return {
        key: (10 * torch.log10(each.square().mean(dim=-1) / power)).clamp(min=LEAST)
        for key, each in _estimates(systems, cases, encoder).items()
    }


def _estimates(
    systems: Sequence[TrainedSystem], cases: list[Case], encoder: Encoder
) -> dict[tuple[str, int], torch.Tensor]:
    """(count, L) estimates of each checkpoint, on the CPU."""
    mixture = torch.stack([case.mixture for case in cases])
    query = embed_words(encoder, [case.words for case in cases])[:, None]
    return {
        (each.system, each.seed): torch.cat(
            [
                each.separate(each.network, x.to(q.device), q)[:, 0].cpu()
                for x, q in zip(mixture.split(16), query.split(16))
            ]
        )
        for each in systems
    }


def _summaries(values: Decibels) -> dict[str, MetricSummary]:
    """By system, over seeds and the mixtures that all systems can be scored on."""
    used = (torch.stack(list(values.values())).abs() < LIMIT).all(dim=0)
    if not used.any():
        fail(
            "robustness",
            "has no mixture that all systems can be scored on",
            "check the checkpoints",
        )
    left_out = int((~used).sum())
    return {
        name: MetricSummary(
            **summary([v[used].tolist() for (system, _), v in values.items() if system == name]),
            left_out=left_out,
        )
        for name in dict.fromkeys(system for system, _ in values)
    }
