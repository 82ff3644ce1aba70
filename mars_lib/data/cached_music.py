"""A data set that remembers the clips it rendered: for runs that are compared on the same clips."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mars_lib.data.array_cache import GIB, ArrayCache
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.random_streams import Stream
from mars_lib.data.synthesis.classes import SoundClass


@dataclass(frozen=True)
class CachedMusic:
    """`music` with a memory of 2 GiB, shared by all that `dataclasses.replace` makes of it. 130 kB
    a clip of two seconds.
    """

    music: MiniMusic
    # Fields of `music` that training replaces; 0 and none here mean its own.
    length: int = 0
    augment: float = 0.0
    clips: ArrayCache = field(
        default_factory=lambda: ArrayCache(2 * GIB), compare=False, repr=False
    )

    def classes(self, split: str) -> list[SoundClass]:
        return self.music.classes(split)

    def pictures(self, sound: SoundClass, split: str) -> list[Path]:
        return self.music.pictures(sound, split)

    def fingerprint(self) -> str:
        return self._own().fingerprint()

    def _own(self) -> MiniMusic:
        return replace(self.music, augment=self.augment, length=self.length or self.music.length)

    def clip(
        self, split: str, sound: SoundClass, index: int, stream: Stream | None = None
    ) -> np.ndarray:
        key = (split, sound.name, index, stream, self.augment, self.length)
        return self.clips.get(key, lambda: self._own().clip(split, sound, index, stream))

    def recording(
        self, split: str, sound: SoundClass, index: int, stream: Stream | None = None
    ) -> str:
        return self._own().recording(split, sound, index, stream)
