"""What every data set of sounds offers: instruments, folders, lists of recordings, caches."""

from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from mars_lib.data.random_streams import Stream


class Sound(Protocol):
    """A class of sounds: its name, its recordings, and the texts that query it.

    A class that is rendered has no recordings.
    """

    @property
    def name(self) -> str: ...

    @property
    def sounds(self) -> tuple[Path, ...]: ...

    def prompts(self) -> list[str]:
        """Texts that query it."""


SoundT = TypeVar("SoundT", bound=Sound)


class Music(Protocol[SoundT]):
    """Clips by class, split and index, whatever was drawn before. `SoundT` is the kind of class.

    Attributes:
        length: samples of a clip.
        sample_rate: in Hz.
    """

    @property
    def length(self) -> int: ...

    @property
    def sample_rate(self) -> int: ...

    def classes(self, split: str) -> list[SoundT]:
        """The classes of a split, in a fixed order."""

    def clip(
        self, split: str, sound: SoundT, index: int, stream: Stream | None = None
    ) -> np.ndarray:
        """Clip number `index` of a class: (L,) float32, the same numbers, the same clip.

        Every `stream` has clips of its own; without one they are those that manifests name.
        """

    def recording(self, split: str, sound: SoundT, index: int, stream: Stream | None = None) -> str:
        """The recording that a clip is cut from."""

    def pictures(self, sound: SoundT, split: str) -> list[Path]:
        """Files of the pictures of a class in a split; empty where there are none."""

    def fingerprint(self) -> str:
        """Digest of everything that clips and pictures are made from."""
