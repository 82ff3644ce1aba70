"""Places that a command will write to, checked before any work."""

import tempfile
from pathlib import Path

from mars_lib.check import fail


def output_folder(path: Path, option: str = "--out") -> None:
    """Raise `InputError` where files cannot be written into `path`, which need not be there yet.
    Leaves nothing behind.
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
    """The same for one file. A device or a pipe, such as /dev/stdout, is written as it is."""
    if path.is_dir():
        fail(str(path), "is a folder", "give the name of a file")
    if not path.exists() or path.is_file():
        output_folder((path.resolve() if path.is_symlink() else path).parent, option)
