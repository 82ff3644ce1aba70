"""Clips that are made once, by all cores, into files that are mapped into memory.

A pool holds the first clips of every class of one split and stream of a data set, one file a class:
a NumPy array of records, 16 bits a sample. Its folder is named by a digest of all that the clips
are made from, so that other soundfonts, classes, lengths or renderers have another pool.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from tqdm.std import tqdm

from mars_lib.check import fail
from mars_lib.data.fingerprint import digest
from mars_lib.data.music import Music, Sound
from mars_lib.data.random_streams import Stream
from mars_lib.io import atomic
from mars_lib.io.paths import GB, cache_folder, check_disk
from mars_lib.io.processes import mapped

# Of the files: raise it when they are written in another way.
FORMAT = 1
LIMIT_GB = 20.0
# A smaller pool is made without other processes.
ALONE_SECONDS = 3.0
WAY_OUT = "set MARS_CACHE to a folder that you may write"


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

    @property
    def folder(self) -> Path:
        """Of the files."""
        said = self.music.fingerprint(), self.split, self.stream.purpose, self.stream.seed
        return pools_folder() / digest(FORMAT, *said)[:16]

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
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock")
            with _held(lock, progress):
                self._make(self._lacking(clips), clips, workers, limit_gb, progress)
        except OSError as error:
            fail(f"cache {pools_folder()}", f"cannot be written ({error.strerror})", WAY_OUT)

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
        _check_room(needed, limit_gb)
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
    except (OSError, ValueError, EOFError, SyntaxError):
        return None
    right = isinstance(found, np.memmap) and found.ndim == 1 and found.dtype == record(length)
    return found if right else None


def rows(path: Path, length: int) -> int:
    """How many clips a file holds."""
    found = opened(path, length)
    return 0 if found is None else len(found)


def pools_folder() -> Path:
    """Where all pools are."""
    return cache_folder() / "clips"


@dataclass(frozen=True)
class Kept:
    """A pool that is on the disk: `about` is what its about.json says."""

    folder: Path
    about: dict[str, Any]
    gigabytes: float


def kept() -> Iterator[Kept]:
    """All pools on the disk, those of other versions and half made ones too."""
    # Named by digests: nothing else that lies there is ours to list, or to remove.
    for folder in sorted(pools_folder().glob("[0-9a-f]" * 16)):
        try:
            about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            about = {}
        size = sum(file.stat().st_size for file in folder.glob("*.npy"))
        yield Kept(folder, about if isinstance(about, dict) else {}, size / GB)


def clear(names: tuple[str, ...] = ()) -> int:
    """Remove the pools whose folders have these names, or all; how many there were.

    Raises `InputError` for a name that no pool has.
    """
    known = {each.folder.name: each.folder for each in kept()}
    for name in names:
        if name not in known:
            fail(f"pool {name!r}", "is not there", f"give one of {', '.join(known) or 'none'}")
    chosen = [known[name] for name in names or known]
    for folder in chosen:
        shutil.rmtree(folder)
    return len(chosen)


def _check_room(needed: float, limit_gb: float) -> None:
    """Raise `InputError` where pools would be larger than the limit or than the disk."""
    there = sum(each.gigabytes for each in kept())
    if there + needed / GB > limit_gb:
        fail(
            "clip pool",
            f"needs {needed / GB:.2f} GB beside the {there:.2f} GB of others, "
            f"and the limit is {limit_gb:g} GB",
            "give fewer --clips, a larger --limit, or run `mars data pool clear`",
        )
    remedy = "free some space, give fewer --clips, or set MARS_CACHE to another disk"
    check_disk(pools_folder(), needed, "the clip pool", remedy)


class _held:
    """A lock, with a word to those who must wait for it."""

    def __init__(self, lock: FileLock, progress: bool):
        self.lock, self.progress = lock, progress

    def __enter__(self) -> None:
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            if self.progress:
                tqdm.write("another run makes this clip pool: waiting for it")
            self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
