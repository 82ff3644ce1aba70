"""Pictures: reading any image file, our drawings, and how a drawing may look elsewhere."""

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, TiffImagePlugin
from torch.nn import functional

from mars_lib.check import InputError, fail
from mars_lib.data.synthesis.classes import SoundClass
from mars_lib.io import assets

SIZE = 224
# Drawings 6 and 7 of every class are never trained on (data/README.md says how they differ).
HELD_OUT = ("6", "7")
# Of all that Pillow reads: its rarer decoders are seldom tried and fail in many ways.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
KNOWN = "PNG, JPEG, WebP, GIF, BMP or TIFF"
# Within these a picture takes less than 1 GB while it is read.
MOST_PIXELS, LONGEST = 64_000_000, 32


def load_picture(path: str | Path) -> torch.Tensor:
    """Read a picture: (3, 224, 224) float32 in [0, 1], the short side fitted and the middle kept.

    PNG, JPEG, WebP, GIF, BMP or TIFF (of several frames the first) of at most 16 bits a channel, in
    any mode (grey, palette, CMYK, with alpha: laid on white), turned as its EXIF orientation says.

    Raises:
        InputError: for a missing file, one that is no such picture, one of fewer than 8 x 8 pixels,
            which shows nothing, one of more than 64 million, and one of which a side is over 32
            times the other.
    """
    return flatten(load_rgba(path), torch.ones(3, 1, 1))


def load_rgba(path: str | Path) -> torch.Tensor:
    """Like `load_picture`, with the alpha channel kept: (4, 224, 224)."""
    if not isinstance(path, (str, os.PathLike)):
        fail("picture", f"is a {type(path).__name__}", f"give the path of a {KNOWN} file")
    if not os.path.isfile(path):
        fail(str(path), "is not there", f"give the path of a picture ({KNOWN})")
    try:
        with warnings.catch_warnings(action="ignore"):
            picture = _decode(Path(path))
    except InputError:
        raise
    except Image.DecompressionBombError:
        fail(str(path), "has too many pixels", f"give at most {MOST_PIXELS // 10**6} million")
    # A damaged file leads Pillow's decoders to errors of any kind, even SyntaxError.
    except Exception as error:
        problem = f"cannot be read as a picture ({error or type(error).__name__})"
        fail(str(path), problem, f"give {KNOWN}")
    # Rounded as torchvision's Resize and CenterCrop do, which encoders were trained with.
    size = [side * SIZE // min(picture.size) for side in picture.size]
    left, top = (round((side - SIZE) / 2) for side in size)
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    picture = picture.crop((left, top, left + SIZE, top + SIZE))
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255


def _decode(path: Path) -> Image.Image:
    """A file as RGBA, upright. Sizes are checked before its pixels take any memory."""
    with Image.open(path, formats=FORMATS) as file:
        shown = f"has {file.width} x {file.height} pixels"
        if min(file.size) < 8:
            fail(str(path), shown, "give at least 8 x 8")
        if file.width * file.height > MOST_PIXELS:
            fail(str(path), shown, f"give at most {MOST_PIXELS // 10**6} million")
        if max(file.size) > LONGEST * min(file.size):
            fail(str(path), shown, f"cut it to at most {LONGEST} times as long as wide")
        if file.mode in ("I", "F"):
            problem = "has 32 bits a pixel, and nothing says which number is white"
            fail(str(path), problem, "convert it to 8 or 16 bits a channel")
        file.load()
        with suppress(Exception):  # damaged EXIF says nothing, and harms no pixel
            ImageOps.exif_transpose(file, in_place=True)
        if file.mode == "CMYK":
            return file.convert("RGB").convert("RGBA")
        if file.mode.startswith("I;16"):
            return _high_bytes(file).convert("RGBA")
        return file.convert("RGBA")


def _high_bytes(grey: Image.Image) -> Image.Image:
    """16 bits a pixel as 8; Pillow itself would make all above 255 white."""
    values = (np.asarray(grey) >> 8).astype(np.uint8)
    white_is_zero = getattr(grey, "tag_v2", {}).get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    return Image.fromarray(255 - values if white_is_zero else values)


def flatten(rgba: torch.Tensor, background: torch.Tensor) -> torch.Tensor:
    """Lay (..., 4, H, W) over a background (..., 3, H, W): (..., 3, H, W)."""
    alpha = rgba[..., 3:, :, :]
    return rgba[..., :3, :, :] * alpha + background * (1 - alpha)


def drawings(sound: SoundClass, split: str) -> list[Path]:
    """Our drawings of a class: those held out for "test" and "unseen", the others otherwise."""
    files = sorted((assets.folder() / "images" / sound.folder).glob("*.png"))
    held_out = split in ("test", "unseen")
    return [file for file in files if (file.stem in HELD_OUT) == held_out]


def augment_pictures(
    rgba: torch.Tensor, generator: torch.Generator, tilt: float = 0.0
) -> torch.Tensor:
    """Augment drawings: (B, 4, H, W) with alpha -> (B, 3, H, W), both in [0, 1].

    A drawing is turned, mirrored, stretched and shifted, recoloured, sometimes only its outline or
    its silhouette is left, and it is laid on a plain or patterned ground. `generator` is of the
    device of `rgba`; with `tilt` above 0 it is seen in perspective too, so much nearer and farther
    at its edges at most.
    """
    n, device = len(rgba), rgba.device

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator, device=device)

    def sometimes(share: float) -> torch.Tensor:
        return torch.rand(n, 1, 1, 1, generator=generator, device=device) < share

    rgba = _move(rgba, uniform, tilt)
    colour, alpha = rgba[:, :3], rgba[:, 3:]
    grey = colour.mean(dim=1, keepdim=True)
    # Hue: mix the channels at random around the identity.
    turned = torch.randn(n, 3, 3, generator=generator, device=device)
    mixing = torch.eye(3, device=device) + 0.35 * turned
    mixed = torch.einsum("nij,njhw->nihw", mixing / mixing.sum(dim=-1, keepdim=True), colour)
    colour = torch.where(sometimes(0.6), mixed, colour)
    colour = torch.where(sometimes(0.15), grey.expand_as(colour), colour)
    edges = 1 - (8 * (grey - functional.avg_pool2d(grey, 5, 1, 2)).abs()).clamp(0, 1)
    colour = torch.where(sometimes(0.1), edges.expand_as(colour), colour)
    colour = torch.where(sometimes(0.1), uniform(0, 1, 3, 1, 1).expand_as(colour), colour)
    colour = (colour - 0.5) * uniform(0.5, 1.3, 1, 1, 1) + 0.5 + uniform(-0.2, 0.2, 1, 1, 1)
    coarse = torch.rand(n, 3, 4, 4, generator=generator, device=device)
    pattern = functional.interpolate(coarse, size=rgba.shape[-2:], mode="bicubic")
    ground = torch.where(sometimes(0.4), pattern, uniform(0, 1, 3, 1, 1).expand_as(pattern))
    ground = torch.where(sometimes(0.5), torch.ones_like(ground), ground)
    picture = colour * alpha + ground * (1 - alpha)
    picture = torch.where(sometimes(0.25), functional.avg_pool2d(picture, 5, 1, 2), picture)
    picture = torch.where(sometimes(0.05), 1 - picture, picture)
    noise = torch.randn(picture.shape, generator=generator, device=device)
    noise = noise * uniform(0, 0.08, 1, 1, 1)
    return (picture + noise * sometimes(0.3)).clamp(0, 1)


def _move(rgba: torch.Tensor, uniform: Callable[..., torch.Tensor], tilt: float) -> torch.Tensor:
    """Rotate up to 40 degrees, mirror, scale by 0.55 to 1.15, stretch, shear, shift and tilt."""
    n = len(rgba)
    angle, zoom = uniform(-0.7, 0.7), 1 / uniform(0.55, 1.15)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    stretch, shear = uniform(0.8, 1.25), uniform(-0.25, 0.25)
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1)
    skew = torch.stack([mirror * stretch, shear, torch.zeros_like(shear), 1 / stretch], -1)
    matrix = zoom.view(n, 1, 1) * (rotation.view(n, 2, 2) @ skew.view(n, 2, 2))
    shift = uniform(-0.15, 0.15, 2, 1)
    grid = functional.affine_grid(
        torch.cat([matrix, shift], dim=-1), list(rgba.shape), align_corners=False
    )
    if tilt:  # what is farther away is smaller
        depth = 1 + torch.einsum("nhwc,nc->nhw", grid, uniform(-tilt, tilt, 2))
        grid = grid / depth[..., None]
    return functional.grid_sample(rgba, grid, align_corners=False)
