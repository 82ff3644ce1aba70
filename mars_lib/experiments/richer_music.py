"""Pictures by other hands and descriptions, from which MiniBind2's heads learn beside our own.

Emoji and clip art from two packages of Debian, as `data/clip_art.json` sorts them. Pictures of
openclipart that gcompris shows too are not among them: those are kept for judging.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mars_lib.alignment.features import HELD_OUT
from mars_lib.check import fail
from mars_lib.data.fingerprint import contents, digest
from mars_lib.data.pictures import SIZE
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.data.synthesis.classes import SoundClass, descriptions
from mars_lib.io import assets
from mars_lib.io.atomic import writing

EMOJI = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
CLIP_ART = Path("/usr/share/openclipart/png/recreation/music")
REMEDY = "apt-get install fonts-noto-color-emoji openclipart-png"
DRAWN_AT = 109  # the one size in pixels that this font has
MARGIN = 1.1  # a side of the picture, in longest sides of what it shows


@dataclass(frozen=True)
class RicherMusic(PooledMusic[SoundClass]):
    """A pooled data set, with descriptions beside its names and further pictures to train on.

    Args:
        further: files by the name of their class.
    """

    further: dict[str, list[Path]] = field(default_factory=dict, compare=False)

    def classes(self, split: str) -> list[SoundClass]:
        """Those of `music`; but in the held-out splits, with descriptions."""
        own, known = super().classes(split), descriptions()
        if split in HELD_OUT:
            return own
        return [replace(sound, described=tuple(known[sound.name])) for sound in own]

    def pictures(self, sound: SoundClass, split: str) -> list[Path]:
        """Those of `music`; for training and validation the further ones too."""
        own = super().pictures(sound, split)
        return own if split in HELD_OUT else own + self.further.get(sound.name, [])

    def fingerprint(self) -> str:
        """Digest of that of the pooled data set and of the further pictures."""
        shown = [contents(file.parent, [file]) for files in self.further.values() for file in files]
        return digest(super().fingerprint(), shown)


def further_pictures(folder: Path) -> dict[str, list[Path]]:
    """Write all pictures of the table as PNG files into `folder`, and list them by class.

    Raises:
        InputError: where a package is missing.
    """
    table = json.loads((assets.folder() / "clip_art.json").read_text(encoding="utf-8"))
    for path in (EMOJI, CLIP_ART):
        if not path.exists():
            fail(f"pictures of {path}", "are not there", REMEDY)
    return {name: list(_written(folder / name, table[name])) for name in sorted(table)}


def _written(folder: Path, names: list[str]) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        kind, _, which = name.partition(":")
        path = folder / f"{kind}-{which}.png"
        picture = _emoji(which) if kind == "emoji" else _clip_art(which)
        with writing(path) as file:
            _framed(picture).save(file, "PNG")
        yield path


def _emoji(code: str) -> Image.Image:
    picture = Image.new("RGBA", (DRAWN_AT * 5 // 4, DRAWN_AT * 5 // 4), (255, 255, 255, 0))
    font = ImageFont.truetype(str(EMOJI), DRAWN_AT)
    ImageDraw.Draw(picture).text((0, 0), chr(int(code, 16)), font=font, embedded_color=True)
    return picture


def _clip_art(name: str) -> Image.Image:
    with Image.open(CLIP_ART / f"{name}.png") as file:
        return file.convert("RGBA")


def _framed(picture: Image.Image) -> Image.Image:
    """What a picture shows, in the middle of a transparent square."""
    shown = picture.crop(picture.getchannel("A").getbbox())
    side = int(MARGIN * max(shown.size))
    square = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    left, top = ((side - edge) // 2 for edge in shown.size)
    square.paste(shown, (left, top))
    return square.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
