"""Real recordings, and pictures drawn by others, sorted into folders by class: validation data.

They come from three packages of Debian: gcompris-qt-data (sounds and pictures of instruments),
lmms-common and sonic-pi-samples. `recordings.json` says which file is which class. Nothing of them
is trained on. They have been looked at while things were chosen, and so are no test set.

    apt-get install gcompris-qt-data lmms-common sonic-pi-samples
    python benchmarks/recordings.py FOLDER
    mars evaluate --folder FOLDER --query text --mixtures 400

With `--photographs` it writes those of tuxpaint-stamps-default instead, as `photographs.json` lists
them: every one of an instrument that is a class, and five birds.
"""

import argparse
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from mars_lib.check import fail, told

PLACES = {
    "gcompris": Path("/usr/share/gcompris-qt/rcc"),
    "lmms": Path("/usr/share/lmms/samples"),
    "sonic-pi": Path("/usr/share/sonic-pi/samples"),
    "tuxpaint": Path("/usr/share/tuxpaint/stamps"),
}
PACKAGES = {
    "gcompris": "gcompris-qt-data",
    "lmms": "lmms-common",
    "sonic-pi": "sonic-pi-samples",
    "tuxpaint": "tuxpaint-stamps-default",
}
INSIDE = "/gcompris/src/activities/"
SMALLEST = 14, 22  # bytes of a node in a Qt resource file before its version 2, and since


def content(name: str) -> bytes:
    """The file that a table calls "package:path"."""
    package, _, path = name.partition(":")
    if not PLACES[package].is_dir():
        fail(
            f"package {PACKAGES[package]}",
            "is not installed",
            f"apt-get install {PACKAGES[package]}",
        )
    if package == "gcompris":
        return resources(path.partition("/")[0])[INSIDE + path]
    return (PLACES[package] / path).read_bytes()


@cache
def resources(activity: str) -> dict[str, bytes]:
    """All files of a Qt resource file of gcompris, by their paths inside."""
    return dict(_files((PLACES["gcompris"] / f"{activity}.rcc").read_bytes()))


def _files(data: bytes) -> Iterator[tuple[str, bytes]]:
    magic, version, tree, start, names = struct.unpack(">4s4I", data[:20])
    assert magic == b"qres"
    size = SMALLEST[version >= 2]

    def walk(index: int, folder: str) -> Iterator[tuple[str, bytes]]:
        at = tree + index * size
        name_at, flags, first, second = struct.unpack(">IHII", data[at : at + 14])
        (length,) = struct.unpack_from(">H", data, names + name_at)
        begin = names + name_at + 6
        name = data[begin : begin + 2 * length].decode("utf-16-be") if index else ""
        path = f"{folder}/{name}" if index else ""
        if flags & 2:  # a folder: so many children, from there on
            for child in range(second, second + first):
                yield from walk(child, path)
            return
        (length,) = struct.unpack_from(">I", data, start + second)
        packed = data[start + second + 4 : start + second + 4 + length]
        yield path, zlib.decompress(packed[4:]) if flags & 1 else packed

    yield from walk(0, "")


def pictures(name: str) -> Iterator[bytes]:
    """The picture that stands beside a sound of gcompris's instruments, as an SVG."""
    if name.startswith("gcompris:instruments/"):
        yield content(name.replace(".ogg", ".svg"))


def drawing() -> Callable[..., bytes]:
    """What makes a PNG of an SVG, before anything is written."""
    try:
        import resvg_py
    except ImportError:
        fail("package resvg_py", "is not installed", "pip install resvg_py")
    return resvg_py.svg_to_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where CLASS/NAME.ogg and CLASS/NAME.png go")
    parser.add_argument("--photographs", action="store_true", help="CLASS/NAME.png of tuxpaint")
    options = parser.parse_args()
    folder, what = options.folder, "photographs" if options.photographs else "recordings"
    table = json.loads(Path(__file__).with_name(f"{what}.json").read_text(encoding="utf-8"))
    draw = None if options.photographs else drawing()
    files = drawn = 0
    for label, names in table.items():
        target = folder / label.replace(" ", "_")
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = target / name.replace(":", "-").replace("/", "-")
            path.write_bytes(content(name))
            files += 1
            for svg in pictures(name):
                png = draw(svg_string=svg.decode(), width=448)
                path.with_suffix(".png").write_bytes(bytes(png))
                drawn += 1
    print(f"{files} {what} of {len(table)} classes and {drawn} drawings in {folder}")


if __name__ == "__main__":
    with told():
        main()
