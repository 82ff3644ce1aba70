"""A data set that caches the clips it made: for runs that are compared on the same clips."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic

import numpy as np

from mars_lib.data.array_cache import GIB, ArrayCache
from mars_lib.data.music import Music, SoundT
from mars_lib.data.random_streams import Stream


@dataclass(frozen=True)
class CachedMusic(Generic[SoundT]):
    """Another data set with a cache of 2 GiB; a clip of two seconds takes 130 kB.

    The cache is shared by all that `dataclasses.replace` makes of it.

    Args:
        music: the data set; its own `augment` does not matter.
        length: samples of a clip; 0 for those of `music`.
        augment: share of the clips that are augmented, 0 to 1.
    """

    music: Music[SoundT]
    length: int = 0
    augment: float = 0.0
    clips: ArrayCache = field(
        default_factory=lambda: ArrayCache(2 * GIB), compare=False, repr=False
    )

    def __post_init__(self) -> None:
        if not self.length:
            object.__setattr__(self, "length", self.music.length)

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self.music.sample_rate

    def classes(self, split: str) -> list[SoundT]:
        """Those of `music`."""
        return self.music.classes(split)

    def pictures(self, sound: SoundT, split: str) -> list[Path]:
        """Those of `music`."""
        return self.music.pictures(sound, split)

    def fingerprint(self) -> str:
        """That of `music` with this length and augmentation."""
        return self._own().fingerprint()

    def clip(
        self, split: str, sound: SoundT, index: int, stream: Stream | None = None
    ) -> np.ndarray:
        """Clip number `index` of a class: (L,) float32, made where it is not held."""
        key = (split, sound.name, index, stream, self.augment, self.length)
        return self.clips.get(key, lambda: self._own().clip(split, sound, index, stream))

    def recording(self, split: str, sound: SoundT, index: int, stream: Stream | None = None) -> str:
        """The recording that a clip is cut from."""
        return self._own().recording(split, sound, index, stream)

    def _own(self) -> Music[SoundT]:
        """`music` with this length and augmentation."""
        return replace(self.music, augment=self.augment, length=self.length)
