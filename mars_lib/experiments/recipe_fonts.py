"""The soundfonts that the pretrained checkpoints are trained on.

TimGM6mb, which the course installs, and two that Debian packages, fluid-soundfont-gm (MIT) and
musescore-general-soundfont-lossless (MIT). The unseen font is never trained on.
"""

from pathlib import Path

from mars_lib.check import fail
from mars_lib.data.synthesis import soundfonts
from mars_lib.data.synthesis.soundfonts import Soundfont

PACKAGED = ("FluidR3_GM", "MuseScore_General_Full")
FOLDER = Path("/usr/share/sounds/sf2")
REMEDY = (
    "apt-get install fluid-soundfont-gm musescore-general-soundfont-lossless, or name the files in "
    "MARS_SOUNDFONTS"
)
PATCHES = Path("/usr/share/midi/freepats")


def recipe_fonts() -> list[Soundfont]:
    """The fonts of the recipe; those that Debian packages, where its packages put them.

    Raises `InputError` when one is missing.
    """
    fonts, missing = found_fonts()
    if missing:
        fail("soundfonts of the recipe", f"{', '.join(missing)} not found", REMEDY)
    return fonts


def found_fonts() -> tuple[list[Soundfont], list[str]]:
    """The fonts of the recipe that are here, and the file names of those that are not."""
    known = {font.name for font in soundfonts.find()}
    wanted = [FOLDER / f"{name}.sf2" for name in PACKAGED if name not in known]
    missing = [path.name for path in wanted if not path.is_file()]
    return soundfonts.find(tuple(str(path) for path in wanted if path.is_file())), missing


def further_fonts() -> list[Soundfont]:
    """What MiniBind2 hears beside the recipe: Debian's freepats (GPL-2.0), recordings of their own.

    Raises `InputError` when it is missing.
    """
    if not PATCHES.is_dir():
        fail("patches of freepats", "are not there", "apt-get install freepats")
    return [Soundfont("freepats", PATCHES, "further")]
