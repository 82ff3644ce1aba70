"""Mixtures of one's own recordings, to evaluate on: each a function of a seed and its number."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from mars_lib.check import fail
from mars_lib.config import Config
from mars_lib.data.csv_music import listed_classes
from mars_lib.data.folders import FolderMusic
from mars_lib.data.mini_music import level
from mars_lib.data.recorded_music import RecordedClass
from mars_lib.waveform import mix

# A stretch that is 30 dB below its recording is a rest: brought to the common level it would be
# noise.
REST = 10 ** (-30 / 20)


@dataclass(frozen=True)
class Stretch:
    """A part of a recording.

    Attributes:
        path: of the recording.
        start: its first sample there.
        wave: (L,) float32, RMS 0.1 where it sounds, zeros where it rests.
    """

    path: Path
    start: int
    wave: np.ndarray


@dataclass(frozen=True)
class FolderMixture:
    """A mixture of two sources and the queries of each.

    Attributes:
        classes: the name of each source's class.
        sources: where each source comes from.
        mixture: (L,).
        references: (2, L), which sum to the mixture.
        clips: what queries each source by sound; empty where the kind of query needs none.
        pictures: what queries each source by picture; empty where the kind of query needs none.
    """

    classes: tuple[str, ...]
    sources: tuple[Stretch, ...]
    mixture: torch.Tensor
    references: torch.Tensor
    clips: tuple[Stretch, ...]
    pictures: tuple[Path, ...]


class FolderMixtures:
    """Mixtures of `folder/class/*`, or of the recordings that a CSV lists, for one kind of query.

    `mixture(i)` depends on the seed and i alone. Every class of a folder is first equally often,
    every recording of a list; beside it is a random other class, with `interference` one of that
    list. Of each a random stretch of a random file, as long as the separator's training segments,
    at gains from its training. All files are used: nothing is held out from an evaluation. Kinds of
    query differ in the queries, not in what is mixed, as long as they can query the same classes.

    Args:
        folder: of class folders, or a CSV in the layout of CLIPSep and OmniSep.
        query: "text", "audio", "image" or "composed".
        config: the separator's.
        seed: of all random choices.
        interference: a CSV of what is mixed beside.

    Raises:
        InputError: where fewer than two classes can be queried.
    """

    def __init__(
        self,
        folder: str | Path,
        query: str,
        config: Config,
        seed: int = 0,
        interference: str | Path | None = None,
    ):
        self.length, self.training, self.seed = config.signal.length, config.training, seed
        folder = Path(folder)
        self._recordings = Recordings(folder, self.length, config.signal.sample_rate)
        self._clips, self._pictures = query in ("audio", "composed"), query in ("image", "composed")
        listed = not folder.is_dir() and folder.suffix.lower() == ".csv"
        everything = listed_classes(folder) if listed else self._recordings.everything()
        targets = [sound for sound in everything if self._can_query(sound, query)]
        self._others = targets
        if interference is not None:
            self._others = [
                sound for sound in listed_classes(interference) if self._can_query(sound, query)
            ]
        names = {sound.name for sound in (*targets, *self._others)}
        if len(names) < 2 or not targets or not self._others:
            problem = f"has {len(targets)} classes that {query} queries can ask for"
            remedy = "give at least two classes what the warnings name, or take --query text"
            fail(
                " and ".join(str(each) for each in (folder, interference) if each), problem, remedy
            )
        self.classes = sorted(names)
        self._firsts = (
            [(sound, (path,)) for sound in targets for path in sound.sounds]
            if listed
            else [(sound, sound.sounds) for sound in targets]
        )

    def mixture(self, index: int) -> FolderMixture:
        """Mixture number `index`. Raises `InputError` for a class of which nothing sounds."""
        rng, query_rng = (np.random.default_rng([self.seed, index, part]) for part in range(2))
        first, files = self._first(index)
        others = [sound for sound in self._others if sound.name != first.name]
        if not others:
            remedy = "list recordings of other classes as interference"
            fail(f"class {first.name!r}", "has no other class to be mixed with", remedy)
        pair = (first, others[rng.integers(len(others))])
        sources = [
            _sounding(sound, partial(self._draw, paths, rng))
            for sound, paths in zip(pair, (files, pair[1].sounds))
        ]
        gains = rng.uniform(self.training.gain_low, self.training.gain_high, len(pair))
        waves = torch.from_numpy(np.stack([source.wave for source in sources]))
        mixture, references = mix(waves, torch.from_numpy(gains).float())
        return FolderMixture(
            tuple(sound.name for sound in pair),
            tuple(sources),
            mixture,
            references,
            tuple(self._other(s, taken, query_rng) for s, taken in zip(pair, sources))
            if self._clips
            else (),
            tuple(s.pictures[query_rng.integers(len(s.pictures))] for s in pair)
            if self._pictures
            else (),
        )

    def _can_query(self, sound: RecordedClass, query: str) -> bool:
        """Whether there is all that a query of the class needs; warns where not."""
        lacks = []
        readable = list(islice(self._readable(sound.sounds), 2))
        if not readable:
            lacks.append("a recording that can be read")
        elif (
            self._clips
            and len(readable) == 1
            and len(self._recordings.samples(readable[0])) < 2 * self.length
        ):
            seconds = 2 * self.length / self._recordings.sample_rate
            lacks.append(f"a second recording, or {seconds:.1f} s of the one")
        if self._pictures and not sound.pictures:
            lacks.append("a picture")
        if lacks:
            warnings.warn(
                f"{sound.name}: left out of {query} queries for want of {' and '.join(lacks)}",
                stacklevel=3,
            )
        return not lacks

    def _first(self, index: int) -> tuple[RecordedClass, tuple[Path, ...]]:
        """What comes first in mixture number `index`, and its files.

        The next class or recording, where none of the files can be read.
        """
        start = index % len(self._firsts)
        for first, files in (*self._firsts[start:], *self._firsts[:start]):
            if any(self._readable(files)):
                return first, files
        problem = "holds no sound that can be read"
        fail(str(self._recordings.folder), problem, "repair its files or remove them")

    def _readable(self, files: Sequence[Path]) -> Iterator[Path]:
        """Those of `files` that can be read; files are only read as far as this is asked."""
        return (path for path in files if len(self._recordings.samples(path)))

    def _draw(self, paths: Sequence[Path], rng: np.random.Generator) -> Stretch:
        """A random stretch of a random file."""
        path, wave = self._recordings.readable(paths, rng)
        return self._cut(path, 0, len(wave), rng)

    def _other(self, sound: RecordedClass, taken: Stretch, rng: np.random.Generator) -> Stretch:
        """A clip of the class that shares nothing with the one in the mixture.

        It is of another file where there is one.
        """
        files = [path for path in sound.sounds if path != taken.path]
        if any(self._readable(files)):
            return _sounding(sound, lambda: self._draw(files, rng))
        end = len(self._recordings.samples(taken.path))
        sides = [(0, taken.start), (taken.start + self.length, end)]
        # The file is two segments long or longer: one side is always half a segment.
        sides = [(low, high) for low, high in sides if high - low >= self.length // 2]
        return _sounding(
            sound, lambda: self._cut(taken.path, *sides[rng.integers(len(sides))], rng)
        )

    def _cut(self, path: Path, low: int, high: int, rng: np.random.Generator) -> Stretch:
        """A random stretch of [low, high) of a recording, repeated where that is too short."""
        whole = self._recordings.samples(path)
        start = low + int(rng.integers(max(1, high - low - self.length + 1)))
        wave = np.resize(whole[start : min(high, start + self.length)], self.length)
        rests = np.mean(wave**2) < REST**2 * np.mean(whole**2)
        return Stretch(path, start, np.zeros_like(wave) if rests else level(wave))


class Recordings(FolderMusic):
    """`FolderMusic` that gives whole recordings."""

    def samples(self, path: Path) -> np.ndarray:
        """A recording in mono at the folder's rate, whole: float32."""
        return self._load(path)


def _sounding(sound: RecordedClass, draw: Callable[[], Stretch]) -> Stretch:
    """The first of twenty draws that is no rest."""
    for _ in range(20):
        found = draw()
        if found.wave.any():
            return found
    fail(f"class {sound.name!r}", "holds only silence", "give recordings that sound")
