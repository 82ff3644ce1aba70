import pytest

from mars_lib import show
from mars_lib.check import InputError


def test_a_glyph_is_black_on_white_and_in_the_middle():
    picture = show.glyph("☎")
    assert picture.shape == (3, 224, 224) and picture[:, 0, 0].tolist() == [1, 1, 1]
    ink = (picture[0] < 0.5).nonzero().float()
    assert 0.05 < len(ink) / 224**2 < 0.5
    assert ((ink.amin(dim=0) + ink.amax(dim=0)) / 2 - 112).abs().max() < 20


@pytest.mark.parametrize("text", ["", "ab"])
def test_one_character_is_one_picture(text):
    with pytest.raises(InputError, match="give one character"):
        show.glyph(text)
