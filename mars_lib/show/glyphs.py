"""Characters of a font as pictures: what somebody else has drawn, and everybody may show."""

import io

import numpy as np
import torch
from PIL import Image

from mars_lib.check import fail
from mars_lib.show.plots import Figure

SIZE = 224  # what encoders take


def glyph(character: str) -> torch.Tensor:
    """A character of DejaVu Sans, the free font of matplotlib, black on white: (3, 224, 224).

    Values are in [0, 1]. Raises `InputError` for anything but one character.
    """
    if len(character) != 1:
        fail("character", f"is {character!r}", "give one character")
    figure, drawn = Figure(figsize=(2, 2)), io.BytesIO()
    font = {"fontsize": 100, "family": "DejaVu Sans"}
    figure.text(0.5, 0.5, character, font, ha="center", va="center", parse_math=False)
    figure.savefig(drawn, format="png", dpi=SIZE / 2)
    pixels = np.asarray(Image.open(drawn).convert("RGB")).copy()
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
