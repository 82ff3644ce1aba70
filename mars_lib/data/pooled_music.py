"""A data set whose training clips come from pools on the disk."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

import numpy as np

from mars_lib.check import fail
from mars_lib.data import clip_pool
from mars_lib.data.clip_pool import ClipPool
from mars_lib.data.fingerprint import digest
from mars_lib.data.music import Music, SoundT
from mars_lib.data.random_streams import Stream
from mars_lib.io.processes import cores


@dataclass(frozen=True)
class PooledMusic(Generic[SoundT]):
    """Another data set, of which clips that were asked for with `ready` are read from pools.

    Samples of these have 16 bits; all other clips are made when they are asked for.

    Args:
        music: the data set.
        workers: processes that make pools.
        limit_gb: of all pools together, in GB.
        progress: say what is made, and show a bar.
    """

    music: Music[SoundT]
    workers: int = field(default_factory=cores, compare=False)
    limit_gb: float = field(default=clip_pool.LIMIT_GB, compare=False)
    progress: bool = field(default=True, compare=False)
    _files: dict[tuple[str, Stream], dict[str, Path]] = field(
        default_factory=dict, compare=False, repr=False
    )
    _mapped: dict[Path, np.memmap] = field(default_factory=dict, compare=False, repr=False)

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
        """Digest of that of `music` and of how clips are kept."""
        return digest(type(self).__name__, clip_pool.FORMAT, self.music.fingerprint())

    def ready(self, split: str, stream: Stream, clips: int) -> None:
        """Have the first `clips` clips of every class in a pool; it is made where it is not there.

        Raises `InputError` as `ClipPool.make` does.
        """
        pool = ClipPool(self.music, split, stream)
        pool.make(clips, self.workers, self.limit_gb, self.progress)
        self._files[split, stream] = files = pool.files()
        for path in files.values():  # one that has grown is another file
            self._mapped.pop(path, None)

    def clip(
        self, split: str, sound: SoundT, index: int, stream: Stream | None = None
    ) -> np.ndarray:
        """Clip number `index` of a class: (L,) float32."""
        row = self._row(split, sound, index, stream)
        if row is None:
            return self.music.clip(split, sound, index, stream)
        return row["samples"] * row["scale"]

    def recording(self, split: str, sound: SoundT, index: int, stream: Stream | None = None) -> str:
        """A name for the recording that a clip is cut from; in a pool it is a number."""
        row = self._row(split, sound, index, stream)
        if row is None:
            return self.music.recording(split, sound, index, stream)
        return str(row["recording"])

    def _row(self, split: str, sound: SoundT, index: int, stream: Stream | None) -> Any:
        """The record of a clip; None where it is in no pool.

        Raises `InputError` for a pool that was removed since it was ready.
        """
        path = self._files.get((split, stream), {}).get(sound.name) if stream else None
        if path is None:
            return None
        if path not in self._mapped:
            found = clip_pool.opened(path, self.length)
            if found is None:
                # Nobody would know why a run that goes on without its pool is slow.
                remedy = "start again, or go on with --resume: it is made anew"
                fail(f"clip pool {path.parent}", f"has lost {path.name}", remedy)
            self._mapped[path] = found
        found = self._mapped[path]
        return found[index] if index < len(found) else None

    def __getstate__(self) -> dict[str, Any]:
        # A process that gets a copy maps the files itself.
        return {**self.__dict__, "_mapped": {}}


def make_ready(music: Music[Any], split: str, stream: Stream, clips: int) -> None:
    """Have clips in a pool, where a data set has pools: `PooledMusic.ready`."""
    if isinstance(music, PooledMusic):
        music.ready(split, stream, clips)
