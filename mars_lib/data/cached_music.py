"""A data set that remembers the clips it made, for runs on the same clips."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

import numpy as np

from mars_lib.data.array_cache import GIB, ArrayCache
from mars_lib.data.music import Music, SoundT
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.data.random_streams import Stream


@dataclass(frozen=True)
class CachedMusic(Generic[SoundT]):
    """Another data set with a cache of 2 GiB in memory; a clip of two seconds takes 130 kB.

    Args:
        music: the data set.
    """

    music: Music[SoundT]
    clips: ArrayCache = field(
        default_factory=lambda: ArrayCache(2 * GIB), compare=False, repr=False
    )

    @property
    def length(self) -> int:
        """Samples of a clip."""
        return self.music.length

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
        """That of `music`."""
        return self.music.fingerprint()

    def clip(
        self, split: str, sound: SoundT, index: int, stream: Stream | None = None
    ) -> np.ndarray:
        """Clip number `index` of a class: (L,) float32, made where it is not held."""
        key = (split, sound.name, index, stream)
        return self.clips.get(key, lambda: self.music.clip(split, sound, index, stream))

    def recording(self, split: str, sound: SoundT, index: int, stream: Stream | None = None) -> str:
        """The recording that a clip is cut from."""
        return self.music.recording(split, sound, index, stream)


def remembering(music: Music[Any]) -> Music[Any]:
    """A data set that gives a clip quickly when it is asked for again: itself, where it does."""
    return music if isinstance(music, PooledMusic | CachedMusic) else CachedMusic(music)
