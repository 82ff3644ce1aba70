import torch

from mars_lib.alignment.features import TrunkFeatures
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders.minibind2 import imagenet_directions
from mars_lib.experiments.imagenet_pictures import COUNT, SHOWN, with_photographs

NAMES = ("violin", "triangle", "bird")


def features() -> TrunkFeatures:
    """As the picture trunk makes them: never negative, of norm 8."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(3, 20, 1280, generator=generator).square()
    image = list(8 * torch.nn.functional.normalize(rows, dim=-1))
    return TrunkFeatures(NAMES, [torch.zeros(1, 1, 1)] * 3, [torch.zeros(1, 1)] * 3, image, "a-b")


def test_imagenet_itself_takes_them_for_what_they_stand_for():
    directions = imagenet_directions()
    for name, rows in zip(NAMES, with_photographs(features()).image):
        further = rows[20:]
        assert len(further) == (COUNT if name in SHOWN else 0)
        scores = (further - features().image[0].mean(dim=0)) @ directions.T
        assert set(scores.argmax(dim=1).tolist()) <= set(SHOWN.get(name, ()))


def test_they_are_features_of_the_trunk_and_beside_the_drawn_ones():
    before, after = features(), with_photographs(features())
    for drawn, rows in zip(before.image, after.image):
        torch.testing.assert_close(rows[: len(drawn)], drawn)
        torch.testing.assert_close(rows.norm(dim=1), torch.full((len(rows),), 8.0))
        assert (rows >= 0).all()
    assert after.key != before.key and after.key.startswith("a-")
    again = with_photographs(features())
    assert all(torch.equal(*pair) for pair in zip(after.image, again.image))


def test_every_class_of_the_table_is_ours_and_no_place_stands_twice():
    assert set(SHOWN) <= {sound.name for sound in sound_classes()}
    places = [place for each in SHOWN.values() for place in each]
    assert len(places) == len(set(places)) and 0 <= min(places) and max(places) < 1000
