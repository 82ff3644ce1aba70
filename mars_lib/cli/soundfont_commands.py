"""The commands `mars data pack` and `mars data unpack`."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from mars_lib.check import fail
from mars_lib.data.synthesis import soundfont_archive, soundfonts
from mars_lib.experiments import recipe_fonts
from mars_lib.io import paths

Soundfonts = Annotated[
    list[Path] | None,
    typer.Option(help="A further soundfont. Several are allowed."),
]


def pack(
    archive: Annotated[Path, typer.Argument(help="The file to write, e.g. soundfonts.zip.")],
    soundfont: Soundfonts = None,
) -> None:
    """Pack what our classes play of the soundfonts that `mars checkpoints` trains on into one file.

    For a machine without network. Soundfonts that come with the course are left out. Clips of our
    classes are the same from the packed fonts, bit for bit; all other instruments are silent there.
    """
    paths.output_file(archive, "ARCHIVE")
    found, missing = recipe_fonts.found_fonts()
    fonts = [font.path for font in found if font not in soundfonts.listed()]
    fonts += [path for path in soundfont or () if path not in fonts]
    if not fonts:
        fail("soundfonts of the recipe", f"{', '.join(missing)} not found", recipe_fonts.REMEDY)
    for name in missing:
        print(f"warning: {name} is not found and left out; {recipe_fonts.REMEDY}", file=sys.stderr)
    for font in soundfont_archive.pack(archive, fonts):
        print(f"{font.name}: {font.before / 1e6:.1f} MB, packed {font.after / 1e6:.1f} MB")
    print(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB")


def unpack(
    archive: Annotated[Path, typer.Argument(help="A file that `mars data pack` wrote.")],
    folder: Annotated[Path, typer.Argument(help="Where the soundfonts go.")],
) -> None:
    """Unpack soundfonts, check them, and say how they are used. Those that are there stay."""
    folder = folder.absolute()
    if os.pathsep in str(folder):
        problem = f"has a {os.pathsep!r} in its path, which separates those of MARS_SOUNDFONTS"
        fail(str(folder), problem, "give another folder")
    paths.output_folder(folder, "FOLDER")
    fonts = soundfont_archive.unpack(archive, folder)
    named = os.pathsep.join(str(font) for font in fonts)
    print(f"export MARS_SOUNDFONTS={shlex.quote(named)}")
