"""Digests of files and of data sets by content, which tell apart what runs were trained on."""

import hashlib
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

# Three of them stand for a long file: 50 GB of recordings take minutes, not hours.
BLOCK = 1 << 16


def digest(*facts: object) -> str:
    """SHA-256 of facts that JSON can write, in 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def content(path: str | Path, whole: bool = False) -> str | None:
    """Digest of a file's size and content; None where there is none to read.

    Of a file longer than three blocks, head, middle and tail alone are read unless `whole` is asked
    for. Within a process a file is read once as long as its size and its time stay the same.
    """
    try:
        found = os.stat(path)
        return _read(str(path), found.st_size, found.st_mtime_ns, whole)
    except OSError:
        return None


def edition(path: str | Path) -> tuple[int, int] | None:
    """When a file that `content` does not read whole was written and changed; None for others.

    An edit between its three blocks moves the second, whatever is done to the first.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns) if found.st_size > 3 * BLOCK else None


def contents(root: str | Path, paths: Iterable[Path]) -> list[tuple[str, str | None]]:
    """(name as seen from `root`, digest of the content) of files, by name."""
    named = {Path(os.path.relpath(path, root)).as_posix(): path for path in paths}
    return [(name, content(named[name])) for name in sorted(named)]


@lru_cache(maxsize=1 << 18)
def _read(path: str, size: int, time: int, whole: bool) -> str:
    """The digest of a file that has `size` bytes and was written at `time`."""
    sha = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        if whole or size <= 3 * BLOCK:
            while block := file.read(1 << 20):
                sha.update(block)
        else:
            for start in (0, (size - BLOCK) // 2, size - BLOCK):
                file.seek(start)
                sha.update(file.read(BLOCK))
    return sha.hexdigest()
