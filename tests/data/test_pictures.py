import numpy as np
import pytest
import torch
from PIL import Image

from mars_lib.check import InputError
from mars_lib.data import pictures
from mars_lib.data.classes import sound_classes


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


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda p: Image.new("RGB", (1, 1)).save(p), "1 x 1 pixels"),
        (lambda p: p.write_text("no picture"), "cannot be read as a picture"),
        (lambda p: p.write_bytes(b""), "cannot be read as a picture"),
        (lambda p: None, "is not there"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, make, problem):
    path = tmp_path / "x.png"
    make(path)
    with pytest.raises(InputError, match=problem):
        pictures.load_picture(path)


def test_variations_differ_stay_in_range_and_can_be_repeated():
    file = pictures.drawings(sound_classes()[0], "train")[0]
    batch = pictures.load_rgba(file).expand(8, -1, -1, -1)
    first = pictures.vary_pictures(batch, torch.Generator().manual_seed(3))
    again = pictures.vary_pictures(batch, torch.Generator().manual_seed(3))
    assert torch.equal(first, again) and 0 <= first.min() and first.max() <= 1
    distances = (first[:, None] - first[None]).abs().mean(dim=(2, 3, 4))
    assert (distances + torch.eye(8) > 0.02).all()
