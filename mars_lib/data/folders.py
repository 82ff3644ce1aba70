"""Sounds of one's own: a folder `class/*.wav` (and, if wanted, `class/*.png`) as a data set."""

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mars_lib import waveform
from mars_lib.check import InputError, fail
from mars_lib.data.array_cache import GIB, ArrayCache
from mars_lib.data.fingerprint import contents, digest
from mars_lib.data.mini_music import clip_rng, level
from mars_lib.data.random_streams import Stream
from mars_lib.data.synthesis.classes import templates
from mars_lib.data.variation import vary

SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
PICTURES = (".png", ".jpg", ".jpeg")
# One recording of so many answers queries and nothing else, so that no query is its target's own
# recording.
QUERY_SHARE = 8


@dataclass(frozen=True)
class FolderClass:
    """A folder of one kind of sound; its name, with spaces for underscores, is the text query."""

    name: str
    sounds: tuple[Path, ...]
    pictures: tuple[Path, ...]

    def prompts(self) -> list[str]:
        """The name in every template."""
        return [template.format(self.name) for template in templates()]


@dataclass(frozen=True)
class FolderMusic:
    """The same interface as `MiniMusic` over `folder/class/*`.

    Eight of ten files of a class, by a hash of their names, are for training, one for validation,
    one for test. A class with too few files for that uses all of them everywhere, with a warning.
    One of eight files for training answers queries and nothing else (`serving`). Files that cannot
    be read are named in a warning and left out. Sounds that were used last are held in memory, 2
    GiB of them (9 hours): a larger set is faster as `CsvMusic`, which reads stretches.
    """

    folder: Path
    length: int
    sample_rate: int = 16_000
    augment: float = 0.0
    _classes: dict = field(default_factory=dict, compare=False, repr=False)
    _cache: ArrayCache = field(
        default_factory=lambda: ArrayCache(2 * GIB), compare=False, repr=False
    )

    def classes(self, split: str) -> list[FolderClass]:
        """The classes with their files in a split. Raises `InputError` for an unknown split and
        fewer than two classes.
        """
        if split not in self._classes:
            found = [
                replace(sound, sounds=_split(sound.sounds, split)) for sound in self.everything()
            ]
            if split == "train":
                warn_of_single(found)
            self._classes[split] = found
        return list(self._classes[split])

    def everything(self) -> list[FolderClass]:
        """All classes with all their files. Raises `InputError` when there are fewer than two."""
        found = []
        for folder in class_folders(self.folder):
            sounds = [f for f in sorted(folder.iterdir()) if f.suffix.lower() in SOUNDS]
            pictures = [f for f in sorted(folder.iterdir()) if f.suffix.lower() in PICTURES]
            sounds = [f for f in sounds if self._readable(f)]
            if sounds:
                name = folder.name.replace("_", " ")
                found.append(FolderClass(name, tuple(sounds), tuple(pictures)))
        if len(found) < 2:
            problem = f"has {len(found)} classes with sound"
            fail(str(self.folder), problem, "give class/*.wav for at least two classes")
        return found

    def pictures(self, sound: FolderClass, split: str) -> list[Path]:
        """All pictures of a class; there are too few to hold any out."""
        return list(sound.pictures)

    def clip(
        self, split: str, sound: FolderClass, index: int, stream: Stream | None = None
    ) -> np.ndarray:
        """A random stretch of a random file that serves the `stream`: (L,) float32, RMS 0.1 where
        it sounds.
        """
        return self._draw(split, sound, index, stream)[0]

    def recording(
        self, split: str, sound: FolderClass, index: int, stream: Stream | None = None
    ) -> str:
        """The file that a clip is cut from."""
        return str(self._draw(split, sound, index, stream)[1])

    def _draw(
        self, split: str, sound: FolderClass, index: int, stream: Stream | None
    ) -> tuple[np.ndarray, Path]:
        rng = clip_rng(split, sound.name, index, stream)
        files = serving(split, sound.sounds, stream)
        for _ in range(20):
            path, wave = self.readable(files, rng)
            start = int(rng.integers(max(1, len(wave) - self.length)))
            stretch = np.resize(wave[start : start + self.length], self.length)
            wave = level(stretch)
            if rng.random() < self.augment:
                wave = level(vary(wave, rng))
            if wave.any():
                return wave, path
        fail(
            f"class {sound.name!r}",
            f"holds only silence, in {path} for one",
            "give recordings that sound",
        )

    def fingerprint(self) -> str:
        """Digest of names and content of all sounds and pictures, length and rate; where the folder
        lies does not matter.
        """
        files = [p for p in Path(self.folder).glob("*/*") if p.suffix.lower() in SOUNDS + PICTURES]
        sizes = (self.length, self.sample_rate, self.augment)
        return digest(type(self).__name__, contents(self.folder, files), sizes)

    def readable(self, files: Sequence[Path], rng: np.random.Generator) -> tuple[Path, np.ndarray]:
        """A random file and its samples in mono; where it cannot be read, the next that can.

        Raises `InputError` where none can.
        """
        start = int(rng.integers(len(files)))
        for path in (*files[start:], *files[:start]):
            if len(wave := self._load(path)):
                return path, wave
        problem = "holds no sound that can be read"
        fail(str(files[0].parent), problem, "repair its files or remove them")

    def _readable(self, path: Path) -> bool:
        try:
            waveform.probe(path)
            return True
        except InputError as error:
            warnings.warn(f"left out: {error}", stacklevel=3)
            return False

    def _load(self, path: Path) -> np.ndarray:
        """A file in mono at the folder's rate; nothing, and a warning, for one that cannot be
        read.
        """
        return self._cache.get((path, self.sample_rate), lambda: self._read(path))

    def _read(self, path: Path) -> np.ndarray:
        try:
            samples, rate = waveform.load(path)
        except InputError as error:
            warnings.warn(f"left out: {error}", stacklevel=3)
            return np.zeros(0, np.float32)
        return waveform.resample(waveform.mono(samples)[None], rate, self.sample_rate)[0].numpy()


def class_folders(folder: str | Path) -> list[Path]:
    """The folders of `folder` by name. Hidden ones, such as .ipynb_checkpoints, hold no class."""
    return sorted(p for p in Path(folder).glob("*") if p.is_dir() and not p.name.startswith("."))


def serving(split: str, files: tuple[Path, ...], stream: Stream | None) -> tuple[Path, ...]:
    """The recordings that clips of a `stream` may be cut from: in training those of queries serve
    nothing else.
    """
    if split != "train" or len(files) == 1:
        return files
    kept = -(-len(files) // QUERY_SHARE)
    return files[:kept] if stream is not None and stream.purpose == "query clips" else files[kept:]


def warn_of_single(classes: list[FolderClass]) -> None:
    """One warning for each class whose queries cannot be kept apart from its targets."""
    for sound in classes:
        if len(sound.sounds) == 1:
            warnings.warn(
                f"{sound.name}: has one recording to train on, {sound.sounds[0].name}; "
                "a query by sound is another stretch of it, which may overlap the target's: add recordings",
                stacklevel=3,
            )


def _split(files: tuple[Path, ...], split: str) -> tuple[Path, ...]:
    """Files of one split, by a hash of their names; all of them where a split would stay empty."""
    share = {path: zlib.crc32(path.name.encode("utf-8", "surrogateescape")) % 10 for path in files}
    parts = {"train": range(8), "validation": (8,), "test": (9,), "unseen": (9,)}
    if split not in parts:
        fail("split", f"is {split!r}", f"give one of {', '.join(parts)}")
    empty = any(not any(share[f] in numbers for f in files) for numbers in parts.values())
    if files and empty:
        warnings.warn(
            f"{files[0].parent.name}: {len(files)} files are too few to split; all are in every split",
            stacklevel=3,
        )
        return files
    return tuple(f for f in files if share[f] in parts[split])
