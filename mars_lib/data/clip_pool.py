"""Clips that are made once, by all cores, into files that are mapped into memory.

A pool holds the first clips of every class of one split and stream of a data set, one file a class:
a NumPy array of records, 16 bits a sample. Its folder is named by a digest of all that the clips
are made from, so that other soundfonts, classes, lengths or renderers have another pool. Of long
recordings, which no digest reads whole, their times count too: copies of them have other pools.
"""

import re
import time
import tokenize
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.std import tqdm

from mars_lib.data.fingerprint import digest, edition
from mars_lib.data.kept_pools import check_room, held, lock_of, not_written, pools_folder
from mars_lib.data.music import Music, Sound
from mars_lib.data.random_streams import Stream
from mars_lib.io import atomic
from mars_lib.io.paths import GB
from mars_lib.io.processes import check_main, mapped

# Of the files: raise it when they are written in another way.
FORMAT = 1
LIMIT_GB = 20.0
# A smaller pool is made without other processes.
ALONE_SECONDS = 3.0
# What NumPy raises for a file that is no array, or one with a damaged header.
DAMAGES = (
    *(OSError, ValueError, EOFError),
    *(SyntaxError, tokenize.TokenError, TypeError, OverflowError),
)


def record(length: int) -> np.dtype:
    """A clip in a file: samples = scale * integers, and a number that tells its recording apart."""
    return np.dtype([("scale", "<f4"), ("recording", "<u8"), ("samples", "<i2", (length,))])


@dataclass(frozen=True)
class ClipPool:
    """The clips of one split and stream of a data set.

    Args:
        music: the data set.
        split: "train", "validation" ...
        stream: whose clips they are.
    """

    music: Music
    split: str
    stream: Stream

    @cached_property
    def folder(self) -> Path:
        """Of the files."""
        said = self.music.fingerprint(), self.split, self.stream.purpose, self.stream.seed
        sounds = [path for each in self.music.classes(self.split) for path in each.sounds]
        return pools_folder() / digest(FORMAT, *said, [edition(path) for path in sounds])[:16]

    def files(self) -> dict[str, Path]:
        """The file of every class, by its name; some may not be there."""
        names = [sound.name for sound in self.music.classes(self.split)]
        folder = self.folder
        # A name may be anything; its place tells two apart that are written alike.
        return {n: folder / f"{i:03d}-{_slug(n)}.npy" for i, n in enumerate(names)}

    def make(
        self, clips: int, workers: int, limit_gb: float = LIMIT_GB, progress: bool = True
    ) -> None:
        """Make what is missing of the first `clips` clips of every class, a class at a time.

        Interrupted, it leaves whole files, and goes on from there. Of two processes that make the
        same pool one waits for the other.

        Args:
            clips: of every class.
            workers: processes that render.
            limit_gb: of all pools together, in GB.
            progress: say what is made and how long it takes, and show a bar.

        Raises:
            InputError: where limit or disk is too small, the cache cannot be written, or a worker
                dies.
        """
        if not self._lacking(clips):
            return
        check_main()  # such a process would wait for the one that waits for it
        try:
            pools_folder().mkdir(parents=True, exist_ok=True)
            with held(lock_of(self.folder), progress):
                # Looked at again: another run may have made it meanwhile, or removed it.
                self._make(self._lacking(clips), clips, workers, limit_gb, progress)
        except OSError as error:
            not_written(error)

    def _lacking(self, clips: int) -> dict[str, Path]:
        """The files that hold fewer clips, or are no such files."""
        length = self.music.length
        return {n: path for n, path in self.files().items() if rows(path, length) < clips}

    def _make(
        self, lacking: dict[str, Path], clips: int, workers: int, limit_gb: float, progress: bool
    ) -> None:
        if not lacking:
            return
        needed = len(lacking) * clips * record(self.music.length).itemsize
        check_room(needed, limit_gb)
        classes = [s for s in self.music.classes(self.split) if s.name in lacking]
        seconds = self._seconds(classes, clips)
        workers = 1 if seconds < ALONE_SECONDS else min(workers, len(classes))
        what = f"{self.stream.purpose}, {self.split}"
        if progress:
            tqdm.write(
                f"clip pool ({what}): {clips} clips of {len(classes)} classes, "
                f"{needed / GB:.2f} GB in {self.folder}, about {seconds / max(1, workers):.0f} s"
            )
        about = {
            "format": FORMAT,
            "data": type(self.music).__name__,
            "split": self.split,
            "stream": self.stream.purpose,
            "length": self.music.length,
            "sample_rate": self.music.sample_rate,
        }
        atomic.write_json(self.folder / "about.json", about)
        one = partial(_write_class, self.music, self.split, self.stream, clips)
        done = mapped(one, [(sound, lacking[sound.name]) for sound in classes], workers)
        list(tqdm(done, what, len(classes), unit="class", disable=not progress))

    def _seconds(self, classes: list[Any], clips: int) -> float:
        """What one processor will take, by a clip of every eighth class."""
        few = classes[::8]
        for sound in few:  # what is read for the first clip is there for the others
            self.music.clip(self.split, sound, 0, self.stream)
        begun = time.perf_counter()
        for sound in few:
            self.music.clip(self.split, sound, 1, self.stream)
        return (time.perf_counter() - begun) / len(few) * len(classes) * clips


def _write_class(
    music: Music, split: str, stream: Stream, clips: int, task: tuple[Sound, Path]
) -> None:
    """Write one file; clips of a shorter one that is there are taken over."""
    sound, path = task
    made = np.zeros(clips, record(music.length))
    known = opened(path, music.length)
    count = 0 if known is None else len(known)
    if known is not None:
        made[:count] = known
        del known  # a file that is mapped cannot be replaced everywhere
    for index in range(count, clips):
        clip = music.clip(split, sound, index, stream)
        scale = float(np.abs(clip).max()) / 32_767 or 1.0
        name = music.recording(split, sound, index, stream)
        number = int(digest(name)[:16], 16)
        made[index] = (scale, number, np.round(clip / scale).astype("<i2"))
    with atomic.writing(path) as temporary:
        np.save(temporary, made, allow_pickle=False)


def opened(path: Path, length: int) -> np.memmap | None:
    """The records of a file, mapped; None where there is none, or a damaged one."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGES:
        return None
    right = isinstance(found, np.memmap) and found.ndim == 1 and found.dtype == record(length)
    # No clip has the scale 0: where one has, the disk has lost what was written.
    return found if right and len(found) and found["scale"][[0, -1]].all() else None


def rows(path: Path, length: int) -> int:
    """How many clips a file holds."""
    found = opened(path, length)
    return 0 if found is None else len(found)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
