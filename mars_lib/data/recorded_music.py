"""Recordings on disk as a data set: what folders and CSV lists of them have in common."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mars_lib.data.random_streams import Stream
from mars_lib.data.synthesis.classes import templates

# One recording of so many answers queries and nothing else, so that no query is its target's own
# recording.
QUERY_SHARE = 8


@dataclass(frozen=True)
class RecordedClass:
    """A class of sounds with its files; `name` is the text query."""

    name: str
    sounds: tuple[Path, ...]
    pictures: tuple[Path, ...]

    def prompts(self) -> list[str]:
        """The name in every template."""
        return [template.format(self.name) for template in templates()]


@dataclass(frozen=True)
class RecordedMusic(ABC):
    """Classes of recordings under a folder. Clips have an RMS of 0.1 where they sound.

    Args:
        folder: where the files lie.
        length: L, samples of a clip.
        sample_rate: in Hz.
    """

    folder: Path
    length: int
    sample_rate: int = 16_000
    _classes: dict[str, list[RecordedClass]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def classes(self, split: str) -> list[RecordedClass]:
        """The classes with their files in a split.

        Raises `InputError` for an unknown split and for fewer than two classes.
        """
        if split not in self._classes:
            found = self._find_classes(split)
            if split == "train":
                _warn_of_single(found)
            self._classes[split] = found
        return list(self._classes[split])

    def pictures(self, sound: RecordedClass, split: str) -> list[Path]:
        """The pictures of a class in the split that `sound` is from."""
        return list(sound.pictures)

    def clip(
        self, split: str, sound: RecordedClass, index: int, stream: Stream | None = None
    ) -> np.ndarray:
        """Clip number `index` of a class: (L,) float32. The same numbers and files, the same clip.

        It is a random stretch of a recording that serves the `stream`; a recording shorter than the
        clip is repeated. Raises `InputError` where nothing sounds.
        """
        return self._draw(split, sound, index, stream)[0]

    def recording(
        self, split: str, sound: RecordedClass, index: int, stream: Stream | None = None
    ) -> str:
        """The file that a clip is cut from."""
        return str(self._draw(split, sound, index, stream)[1])

    @abstractmethod
    def fingerprint(self) -> str:
        """Digest of everything that clips and pictures are made from."""

    @abstractmethod
    def _find_classes(self, split: str) -> list[RecordedClass]:
        """The classes of a split, read from the disk."""

    @abstractmethod
    def _draw(
        self, split: str, sound: RecordedClass, index: int, stream: Stream | None
    ) -> tuple[np.ndarray, Path]:
        """A clip and the file that it is cut from."""


def serving(split: str, files: tuple[Path, ...], stream: Stream | None) -> tuple[Path, ...]:
    """The recordings that clips of a `stream` may be cut from.

    In training those of queries serve nothing else.
    """
    if split != "train" or len(files) == 1:
        return files
    kept = -(-len(files) // QUERY_SHARE)
    return files[:kept] if stream is not None and stream.purpose == "query clips" else files[kept:]


def _warn_of_single(classes: list[RecordedClass]) -> None:
    """One warning for each class whose queries cannot be kept apart from its targets."""
    for sound in classes:
        if len(sound.sounds) == 1:
            warnings.warn(
                f"{sound.name}: has one recording to train on, {sound.sounds[0].name}; a query by "
                "sound is another stretch of it, which may overlap the target's: add recordings",
                stacklevel=3,
            )
