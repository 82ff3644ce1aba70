"""Files that are either whole or not there: write under a temporary name, then rename."""

import errno
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from mars_lib.check import fail


@contextmanager
def writing(path: str | Path):
    """Yield a temporary path beside `path`; on success it becomes `path`, on any error it is removed.

    The temporary name keeps the suffix, so that writers which look at it work. Parent folders are
    made. A device or a pipe, such as /dev/stdout, is no file to replace: it is yielded itself. Raises `InputError` when
    `path` is a folder, cannot be written, or the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        fail(str(path), "is a folder", "give the name of a file")
    temporary = None
    try:
        if path.exists() and not path.is_file():
            yield path
            return
        # A link stays, and what it leads to is replaced: /dev/stdout may be one.
        target = path.resolve() if path.is_symlink() else path
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            fail(str(path), "does not fit: the disk is full", "free some space and run again")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            fail(str(path), f"cannot be written ({error.strerror})", "choose a folder you may write")
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")
