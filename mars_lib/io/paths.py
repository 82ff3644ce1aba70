"""The places that a command will write to, and checks of them before any work."""

import os
import shutil
import tempfile
from pathlib import Path

from mars_lib.check import fail

GB = 1e9


def cache_folder() -> Path:
    """Where what can be made again is kept: MARS_CACHE, or else ~/.cache/mars_lib."""
    if named := os.environ.get("MARS_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mars_lib"


def output_folder(path: Path, option: str = "--out") -> None:
    """Raise `InputError` where files cannot be written into a folder. Leaves nothing behind.

    Args:
        path: the folder, which need not be there yet.
        option: the option of the command line that messages name.
    """
    try:
        place = existing(path)
        if not place.is_dir():
            fail(str(path), f"cannot be a folder: {place.name} is a file", f"give another {option}")
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(4096))
    except OSError as error:
        fail(str(path), f"cannot be written ({error.strerror})", f"give another {option}")


def output_file(path: Path, option: str) -> None:
    """Raise `InputError` where a file cannot be written.

    A device or a pipe, such as /dev/stdout, is written as it is.

    Args:
        path: the file, which need not be there yet.
        option: the option of the command line that messages name.
    """
    if path.is_dir():
        fail(str(path), "is a folder", "give the name of a file")
    if not path.exists() or path.is_file():
        output_folder((path.resolve() if path.is_symlink() else path).parent, option)


def check_disk(
    folder: Path, needed: float, what: str, remedy: str = "free some space or give another --out"
) -> int:
    """Free bytes where `folder` will be. Raises `InputError` when `what` needs more."""
    free = shutil.disk_usage(existing(folder)).free
    if needed > free:
        fail(
            f"disk of {folder}",
            f"has {free / GB:.2f} GB free, {what} need {needed / GB:.2f} GB",
            remedy,
        )
    return free


def existing(folder: Path) -> Path:
    """The path itself or, where it is not there, the nearest folder above that is."""
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return folder
