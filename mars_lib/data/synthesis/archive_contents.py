"""What an archive of soundfonts says of itself: its fonts, and where their parts belong."""

import json
import reprlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from mars_lib.check import fail

KIND, VERSION = "mars soundfonts", 1
LARGEST = 2**32 + 8  # bytes of a RIFF file


class Stretch(NamedTuple):
    """`size` bytes of a font, the first of them at `at`."""

    at: int
    size: int


class Copy(NamedTuple):
    """A stretch that is the one at `source` of an earlier font of the archive."""

    at: int
    size: int
    font: str
    source: int


@dataclass(frozen=True)
class Cut:
    """A font and where its parts belong, all in bytes.

    Attributes:
        name: of the font; its file is NAME.sf2.
        size: of the file.
        sha256: of the file when it is unpacked.
        rest: what is no samples, in order.
        samples: what its FLAC holds, in order.
        copies: what an earlier font holds.
    """

    name: str
    size: int
    sha256: str
    rest: list[Stretch]
    samples: list[Stretch]
    copies: list[Copy]

    @property
    def file(self) -> str:
        """The name of the font's file."""
        return f"{self.name}.sf2"


def plain(name: str) -> bool:
    """Whether a name can be a file's on every system, without leaving its folder."""
    safe = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    return safe and len(name.encode()) <= 200 and name.strip(". ") == name != ""


def written(cuts: Iterable[Cut]) -> bytes:
    """The contents of an archive, as JSON."""
    fonts = [asdict(cut) for cut in cuts]
    return json.dumps({"kind": KIND, "version": VERSION, "fonts": fonts}).encode()


def read(archive: str, text: bytes) -> list[Cut]:
    """The fonts of an archive, every number and name of them checked.

    Args:
        archive: what messages call it.
        text: what `written` made.

    Raises:
        InputError: for another kind or version, and for names that leave a folder.
        ValueError, KeyError, TypeError: for what `written` cannot have made.
    """
    said = json.loads(text)
    if not isinstance(said, dict) or said.get("kind") != KIND:
        fail(archive, "is no archive of soundfonts", "give a file that `mars data pack` wrote")
    if said["version"] != VERSION:
        fail(archive, "was packed by another version", "pack and unpack with the same version")
    cuts: dict[str, Cut] = {}
    for row in said["fonts"]:
        if not isinstance(row["name"], str) or not plain(row["name"]):
            problem = f"holds a file named {reprlib.repr(row['name'])}"
            fail(archive, problem, "unpack only what `mars data pack` wrote")
        cut = _cut(row, cuts)
        if cuts.setdefault(cut.name.lower(), cut) is not cut:
            raise ValueError(f"{cut.name} twice")
    return list(cuts.values())


def _cut(row: dict[str, Any], earlier: dict[str, Cut]) -> Cut:
    """A font's row, whose parts lie inside its file and do not overlap; raises `ValueError`."""
    size = row["size"]
    cut = Cut(
        name=row["name"],
        size=size,
        sha256=str(row["sha256"]),
        rest=[Stretch(*part) for part in row["rest"]],
        samples=[Stretch(*part) for part in row["samples"]],
        copies=[Copy(*part) for part in row["copies"]],
    )
    last = 0
    for at, length in sorted([*cut.rest, *cut.samples, *((c.at, c.size) for c in cut.copies)]):
        if not (type(at) is type(length) is int and last <= at < at + length):
            raise ValueError("parts that overlap")
        last = at + length
    if type(size) is not int or not last <= size <= LARGEST:
        raise ValueError("parts outside the file")
    for each in cut.copies:
        inside = earlier[each.font.lower()].size - each.size
        if type(each.source) is not int or not 0 <= each.source <= inside:
            raise ValueError("a copy from outside a file")
    if any(part.size % 2 for part in cut.samples):
        raise ValueError("half a sample")
    return cut
