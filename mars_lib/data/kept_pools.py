"""The folder of all clip pools: what is kept there, who may write a pool, and its removal."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout
from tqdm.std import tqdm

from mars_lib.check import fail
from mars_lib.io.paths import GB, cache_folder, check_disk, existing

WAY_OUT = "set MARS_CACHE to a folder that you may write"


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
    """All pools on the disk, those of other versions and half made ones too.

    Raises `InputError` for a cache that is a file.
    """
    if not existing(pools_folder()).is_dir():
        fail(f"cache {cache_folder()}", "is no folder", WAY_OUT)
    # Named by digests: nothing else that lies there is ours to list, or to remove.
    for folder in sorted(pools_folder().glob("[0-9a-f]" * 16)):
        if not folder.is_dir():
            continue
        sizes = [_size(file) for file in folder.glob("*.npy")]
        yield Kept(folder, _about(folder), sum(sizes) / GB)


def _about(folder: Path) -> dict[str, Any]:
    """What a pool says of itself; nothing where that is missing, or not what `_make` wrote."""
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    words, numbers = ("data", "split", "stream"), ("length", "sample_rate")
    right = (
        isinstance(about, dict)
        and all(isinstance(about.get(name), str) for name in words)
        and all(isinstance(about.get(name), int) and about[name] > 0 for name in numbers)
    )
    return about if right else {}


def _size(file: Path) -> int:
    """In bytes; 0 for a file that another process has just removed."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def clear(names: tuple[str, ...] = ()) -> int:
    """Remove the pools whose folders have these names, or all; how many there were.

    A run that has mapped the files of one goes on with them. Of a pool that is a link the link
    alone is removed.

    Raises `InputError` for a name that no pool has, and for a pool that another run makes.
    """
    known = {each.folder.name: each.folder for each in kept()}
    for name in names:
        if name not in known:
            fail(f"pool {name!r}", "is not there", f"give one of {', '.join(known) or 'none'}")
    return sum(_removed(known[name]) for name in names or known)


def _removed(folder: Path) -> bool:
    """Remove a pool; whether it was still there."""
    try:
        with lock_of(folder).acquire(timeout=0):
            if folder.is_symlink():
                folder.unlink()
            else:
                shutil.rmtree(folder)
    except Timeout:
        problem = "is being made, or removed, by another process"
        fail(f"pool {folder.name}", problem, "wait for it, then run this again")
    except FileNotFoundError:  # another process was quicker
        return False
    except OSError as error:
        not_written(error)
    return True


def lock_of(folder: Path) -> FileLock:
    """The lock of one pool. It lies beside the folder, so that it stays when that is removed."""
    return FileLock(folder.with_name(f".{folder.name}.lock"))


def not_written(error: OSError) -> NoReturn:
    """Raise `InputError` for a cache that cannot be written."""
    fail(f"cache {pools_folder()}", f"cannot be written ({error.strerror or error})", WAY_OUT)


def check_room(needed: float, limit_gb: float) -> None:
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


class held:
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
