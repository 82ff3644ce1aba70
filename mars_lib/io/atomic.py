"""Files that are either whole or not there: write under a temporary name, then rename."""

import errno
import json
import os
import platform
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from mars_lib.check import fail

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_THERE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EILSEQ,
)
# Names of temporary files begin with this and the number of the process that writes them.
HIDDEN = f".mars-{platform.node() or 'here'}+"


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path: on success it becomes `path`, on any error it is removed.

    It lies beside `path` and keeps the suffix, so that writers which look at it work. Parent
    folders are made. A file that is there already keeps its mode, a link stays a link to the file.
    A device or a pipe, such as /dev/stdout, is no file to replace: it is yielded itself. What a
    process that was killed left behind in the folder is removed.

    Raises:
        InputError: when `path` is a folder, cannot be written, or the disk is full.
    """
    path = Path(path)
    if os.path.isdir(path):  # unlike Path's, no error for a name that is too long
        fail(str(path), "is a folder", "give the name of a file")
    temporary = None
    try:
        if path.exists() and not path.is_file():
            yield path
            return
        file = Path(os.path.realpath(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(file.parent)
        handle, name = tempfile.mkstemp(
            prefix=f"{HIDDEN}{os.getpid()}-", suffix=path.suffix, dir=file.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o666 & ~_umask())
        temporary.replace(file)
    except OSError as error:
        if _no_room(error):
            fail(str(path), "does not fit: the disk is full", "free some space and run again")
        if error.errno in NOT_THERE:
            fail(
                str(path), f"cannot be written ({error.strerror})", "choose a folder you may write"
            )
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@cache
def _remove_stale(folder: Path) -> None:
    """Remove from `folder`, once a process, what dead processes of this machine left there."""
    with suppress(OSError):  # a folder or a file of others: it stays
        for left in folder.iterdir():
            process = left.name.removeprefix(HIDDEN).partition("-")[0]
            if left.name.startswith(HIDDEN) and process.isdecimal() and not _alive(int(process)):
                left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    if os.name == "nt":
        return True  # there `os.kill` ends it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _no_room(error: OSError) -> bool:
    """Whether the disk is full. NumPy counts what it could not write, and says no more."""
    words = re.fullmatch(r"\d+ requested and \d+ written", str(error))
    return error.errno in NO_ROOM or bool(error.errno is None and words)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")
