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
from mars_lib.data.recorded_music import RecordedClass, RecordedMusic, serving

SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class FolderMusic(RecordedMusic):
    """The classes of `folder/class/*`; their names are those of the folders.

    With spaces for underscores these are text queries too. Eight of ten files of a class, by a hash
    of their names, are for training, one for validation, one for test. A class with too few files
    for that uses all of them everywhere, with a warning. One of eight files for training answers
    queries and nothing else (`serving`). All pictures serve every split: there are too few to hold
    any out. Files that cannot be read are named in a warning and left out. Sounds that were used
    last are held in memory, 2 GiB of them (9 hours): a larger set is faster as `CsvMusic`, which
    reads stretches.
    """

    _cache: ArrayCache = field(
        default_factory=lambda: ArrayCache(2 * GIB), compare=False, repr=False
    )

    def _find_classes(self, split: str) -> list[RecordedClass]:
        return [replace(sound, sounds=_split(sound.sounds, split)) for sound in self.everything()]

    def everything(self) -> list[RecordedClass]:
        """All classes with all their files. Raises `InputError` when there are fewer than two."""
        found = []
        for folder in class_folders(self.folder):
            sounds = [f for f in sorted(folder.iterdir()) if f.suffix.lower() in SOUNDS]
            pictures = [f for f in sorted(folder.iterdir()) if f.suffix.lower() in PICTURES]
            sounds = [f for f in sounds if self._readable(f)]
            if sounds:
                name = folder.name.replace("_", " ")
                found.append(RecordedClass(name, tuple(sounds), tuple(pictures)))
        if len(found) < 2:
            problem = f"has {len(found)} classes with sound"
            fail(str(self.folder), problem, "give class/*.wav for at least two classes")
        return found

    def _draw(
        self, split: str, sound: RecordedClass, index: int, stream: Stream | None
    ) -> tuple[np.ndarray, Path]:
        rng = clip_rng(split, sound.name, index, stream)
        files = serving(split, sound.sounds, stream)
        for _ in range(20):
            path, wave = self.readable(files, rng)
            start = int(rng.integers(max(1, len(wave) - self.length)))
            stretch = np.resize(wave[start : start + self.length], self.length)
            clip = level(stretch)
            if clip.any():
                return clip, path
        problem = f"holds only silence, in {path} for one"
        fail(f"class {sound.name!r}", problem, "give recordings that sound")

    def fingerprint(self) -> str:
        """Digest of names and content of all sounds and pictures, length, rate.

        Where the folder lies does not matter.
        """
        files = [p for p in Path(self.folder).glob("*/*") if p.suffix.lower() in SOUNDS + PICTURES]
        sizes = (self.length, self.sample_rate)
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
        """Whether a file can be opened as sound; warns where not."""
        try:
            waveform.probe(path)
            return True
        except InputError as error:
            warnings.warn(f"left out: {error}", stacklevel=3)
            return False

    def _load(self, path: Path) -> np.ndarray:
        """A file in mono at the data set's rate: (L,) float32.

        Empty, and a warning, for one that cannot be read.
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


def _split(files: tuple[Path, ...], split: str) -> tuple[Path, ...]:
    """Files of one split, by a hash of their names; all of them where a split would stay empty."""
    share = {path: zlib.crc32(path.name.encode("utf-8", "surrogateescape")) % 10 for path in files}
    parts = {"train": range(8), "validation": (8,), "test": (9,), "unseen": (9,)}
    if split not in parts:
        fail("split", f"is {split!r}", f"give one of {', '.join(parts)}")
    empty = any(not any(share[f] in numbers for f in files) for numbers in parts.values())
    if files and empty:
        said = f"{len(files)} files are too few to split; all are in every split"
        warnings.warn(f"{files[0].parent.name}: {said}", stacklevel=5)
        return files
    return tuple(f for f in files if share[f] in parts[split])
