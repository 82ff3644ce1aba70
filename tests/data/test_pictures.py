import io

import numpy as np
import pytest
import torch
from PIL import Image

from mars_lib.check import InputError
from mars_lib.data import pictures
from mars_lib.data.synthesis.classes import sound_classes


def test_every_class_has_drawings_and_some_are_held_out():
    for sound in sound_classes():
        train = pictures.drawings(sound, "train")
        test = pictures.drawings(sound, "test")
        assert len(train) >= 4 and len(test) >= 2 and not set(train) & set(test)
        for path in (*train, *test):
            with Image.open(path) as picture:
                assert picture.size == (224, 224)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "CMYK", "P", "1", "I;16"])
def test_any_mode_becomes_rgb(tmp_path, mode):
    suffix = "tiff" if mode in ("CMYK", "I;16") else "png"
    path = tmp_path / f"picture.{suffix}"
    Image.new(mode, (300, 180)).save(path)
    loaded = pictures.load_picture(path)
    assert loaded.shape == (3, 224, 224) and 0 <= loaded.min() and loaded.max() <= 1


def test_alpha_is_laid_on_white(tmp_path):
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert torch.equal(pictures.load_picture(tmp_path / "clear.png"), torch.ones(3, 224, 224))


def test_the_middle_is_kept(tmp_path):
    wide = np.zeros((100, 300, 3), dtype=np.uint8)
    wide[:, 100:200] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert pictures.load_picture(tmp_path / "wide.png")[:, :, 4:-4].min() > 0.9


def encoded(kind, **more):
    file = io.BytesIO()
    Image.effect_mandelbrot((32, 32), (-2, -1, 1, 1), 10).convert("RGB").save(file, kind, **more)
    return file.getvalue()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda p: Image.new("RGB", (1, 1)).save(p), "1 x 1 pixels"),
        (lambda p: p.write_text("no picture"), "cannot be read as a picture"),
        (lambda p: p.write_bytes(b""), "cannot be read as a picture"),
        (lambda p: None, "is not there"),
        (
            lambda p: Image.new("1", (60_000, 8)).save(p),
            "60000 x 8 pixels; cut it to at most 32 times",
        ),
        (
            lambda p: Image.new("1", (8_001, 8_000)).save(p),
            "8001 x 8000 pixels; give at most 64 million",
        ),
        (
            lambda p: Image.new("1", (15_000, 12_000)).save(p),
            "too many pixels; give at most 64 million",
        ),
        (
            lambda p: Image.new("F", (9, 9), 0.5).save(p, "TIFF"),
            "32 bits a pixel.*; convert it to 8 or 16",
        ),
        (
            lambda p: Image.new("I", (9, 9), 70_000).save(p, "TIFF"),
            "32 bits a pixel.*; convert it to 8 or 16",
        ),
        (
            lambda p: Image.new("RGB", (9, 9)).save(p, "PCX"),
            "cannot be read .*; give PNG, JPEG, WebP, GIF, BMP or TIFF",
        ),
        # Half of a file for which Pillow raises a SyntaxError.
        (lambda p: p.write_bytes(encoded("AVIF")[:300]), "cannot be read as a picture"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, make, problem):
    path = tmp_path / "x.png"
    make(path)
    with pytest.raises(InputError, match=problem):
        pictures.load_picture(path)


def test_a_photograph_is_turned_upright(tmp_path):
    upright = np.zeros((60, 90, 3), dtype=np.uint8)
    upright[:30] = 255
    sideways = Image.fromarray(np.rot90(upright).copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn to the left
    for name in ("a.jpg", "a.png", "a.webp", "a.tiff"):
        sideways.save(tmp_path / name, exif=exif)
        seen = pictures.load_picture(tmp_path / name)
        assert seen[:, :100].min() > 0.9 and seen[:, 124:].max() < 0.1, name


def test_damaged_exif_harms_no_picture(tmp_path):
    for name, more in (("plain", {}), ("damaged", {"exif": b"Exif\0\0no directory"})):
        (tmp_path / f"{name}.png").write_bytes(encoded("PNG", **more))
    plain, damaged = (pictures.load_picture(tmp_path / f"{n}.png") for n in ("plain", "damaged"))
    assert torch.equal(plain, damaged)


def test_sixteen_bits_keep_their_greys(tmp_path):
    ramp = np.linspace(0, 65_535, 64).astype(np.uint16)[:, None].repeat(64, axis=1)
    Image.fromarray((ramp >> 8).astype(np.uint8)).save(tmp_path / "eight.png")
    eight = pictures.load_picture(tmp_path / "eight.png")
    Image.fromarray(ramp).save(tmp_path / "a.png")
    Image.fromarray(ramp).save(tmp_path / "a.tiff")
    Image.fromarray(65_535 - ramp).save(tmp_path / "white-is-zero.tiff", tiffinfo={262: 0})
    for name in ("a.png", "a.tiff", "white-is-zero.tiff"):
        assert torch.equal(pictures.load_picture(tmp_path / name), eight), name


def test_variations_differ_stay_in_range_and_can_be_repeated():
    file = pictures.drawings(sound_classes()[0], "train")[0]
    batch = pictures.load_rgba(file).expand(8, -1, -1, -1)
    first = pictures.augment_pictures(batch, torch.Generator().manual_seed(3))
    again = pictures.augment_pictures(batch, torch.Generator().manual_seed(3))
    assert torch.equal(first, again) and 0 <= first.min() and first.max() <= 1
    distances = (first[:, None] - first[None]).abs().mean(dim=(2, 3, 4))
    assert (distances + torch.eye(8) > 0.02).all()


def test_a_tilted_picture_is_seen_in_perspective(generator):
    """What is a rectangle has rows of other widths then."""
    rectangle = torch.zeros(8, 4, 64, 64)
    rectangle[:, 3, 16:48, 16:48] = 1.0

    def widths(tilt):
        def uniform(low, high, *shape):
            """The middle of all but the tilt: neither turned, stretched nor shifted."""
            drawn = torch.rand(8, *shape, generator=generator)
            at = drawn if tilt and high == tilt else torch.full_like(drawn, 0.5)
            return low + (high - low) * at

        rows = (pictures._move(rectangle, uniform, tilt)[:, 3] > 0.5).sum(dim=-1)
        return [set(each[each > 0].tolist()) for each in rows]

    assert all(len(each) == 1 for each in widths(0.0))
    assert any(len(each) > 2 for each in widths(0.4))
