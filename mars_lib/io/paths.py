"""Checks of the places that a command will write to, before any work."""

import tempfile
from pathlib import Path

from mars_lib.check import fail


def output_folder(path: Path, option: str = "--out") -> None:
    """Raise `InputError` where files cannot be written into a folder. Leaves nothing behind.

    Args:
        path: the folder, which need not be there yet.
        option: the option of the command line that messages name.
    """
    try:
        place = path.resolve()
        while not place.exists():
            place = place.parent
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
