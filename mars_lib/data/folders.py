"""Sounds of one's own: a folder `class/*.wav` (and, if wanted, `class/*.png`) as a data set."""

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mars_lib import waveform
from mars_lib.check import InputError, fail
from mars_lib.data.classes import templates
from mars_lib.data.render import level
from mars_lib.data.variation import vary

SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
PICTURES = (".png", ".jpg", ".jpeg")


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

    Eight of ten files of a class, by a hash of their names, are for training, one for validation, one for
    test. A class with too few files for that uses all of them everywhere, with a warning. Files that cannot be read are
    named in a warning and left out.
    """

    folder: Path
    length: int
    sample_rate: int = 16_000
    augment: float = 0.0
    _cache: dict = field(default_factory=dict, compare=False, repr=False)

    def classes(self, split: str) -> list[FolderClass]:
        """The classes that have files in a split. Raises `InputError` when fewer than two remain."""
        found = []
        for folder in sorted(p for p in Path(self.folder).glob("*") if p.is_dir()):
            sounds = [f for f in sorted(folder.iterdir()) if f.suffix.lower() in SOUNDS]
            pictures = [f for f in sorted(folder.iterdir()) if f.suffix.lower() in PICTURES]
            sounds = _split([f for f in sounds if self._readable(f)], split)
            if sounds:
                name = folder.name.replace("_", " ")
                found.append(FolderClass(name, tuple(sounds), tuple(pictures)))
        if len(found) < 2:
            problem = f"has {len(found)} classes with sound for {split}"
            fail(str(self.folder), problem, "give class/*.wav for at least two classes")
        return found

    def pictures(self, sound: FolderClass, split: str) -> list[Path]:
        """All pictures of a class; there are too few to hold any out."""
        return list(sound.pictures)

    def clip(self, split: str, sound: FolderClass, index: int) -> np.ndarray:
        """A random stretch of a random file of the class: (L,) float32, RMS 0.1 where it sounds."""
        rng = np.random.default_rng([zlib.crc32(f"{split}/{sound.name}".encode()), index])
        for _ in range(20):
            _, wave = self.recording(sound.sounds, rng)
            start = int(rng.integers(max(1, len(wave) - self.length)))
            stretch = np.resize(wave[start : start + self.length], self.length)
            wave = level(stretch)
            if rng.random() < self.augment:
                wave = level(vary(wave, rng))
            if wave.any():
                return wave
        fail(f"class {sound.name!r}", "holds only silence", "give recordings that sound")

    def recording(self, files: Sequence[Path], rng: np.random.Generator) -> tuple[Path, np.ndarray]:
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
        """Nothing, and a warning, for a file that cannot be read."""
        if path not in self._cache:
            try:
                samples, rate = waveform.load(path)
                mono = waveform.resample(waveform.mono(samples)[None], rate, self.sample_rate)[0]
                self._cache[path] = mono.numpy()
            except InputError as error:
                warnings.warn(f"left out: {error}", stacklevel=3)
                self._cache[path] = np.zeros(0, np.float32)
        return self._cache[path]


def _split(files: list[Path], split: str) -> list[Path]:
    """Files of one split, by a hash of their names; all of them where a split would stay empty."""
    share = {path: zlib.crc32(path.name.encode()) % 10 for path in files}
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
    return [f for f in files if share[f] in parts[split]]
