"""Random streams: no purpose runs into another one, whatever the seed."""

from itertools import product

import pytest
import torch

from mars_lib.alignment.pairs import PairSampler
from mars_lib.data.pictures import drawings
from mars_lib.data.random_streams import PURPOSES, Stream, generator, rng
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.training import minibind_trunks
from mars_lib.training.judge_training import estimate_batches
from tests.alignment.conftest import Toy, features_of

# Where the old numbers ran into each other, ends of machine integers, and a hundred more.
SEEDS = (*range(110), 1_000_003, 10**7, 10**9, 2**31, 2**32, 2**32 + 1, 2**64, -1)
PLACES = ((), (0,), (1,), (1, 0), (0, 1), (10,), ("1",), ("train", 1), (10**7,), (2**32,))


def test_purposes_seeds_and_places_are_disjoint():
    keys = [Stream(*each).key(*place) for each in product(PURPOSES, SEEDS) for place in PLACES]
    assert len(set(keys)) == len(keys) == len(PURPOSES) * len(SEEDS) * len(PLACES)


@pytest.mark.parametrize("seed", [0, 1, 100, 2**32])
def test_what_is_drawn_differs_by_purpose_seed_and_step(seed):
    asked = [(p, s, i) for p in PURPOSES for s in (seed, seed + 1) for i in range(3)]
    by_numpy = {rng(*each).bytes(8) for each in asked}
    by_torch = {torch.rand(4, generator=generator(*each)).numpy().tobytes() for each in asked}
    assert len(by_numpy) == len(by_torch) == len(asked)


def test_the_same_place_draws_the_same():
    assert rng("queries", 3, 5).bytes(8) == Stream("queries", 3).rng(5).bytes(8)
    first, again = (torch.rand(4, generator=generator("queries", 3, "a", 5)) for _ in range(2))
    assert torch.equal(first, again)


def test_the_purposes_are_a_closed_list():
    assert len(set(PURPOSES)) == len(PURPOSES)
    for ask in (Stream, lambda name: rng(name, 0), lambda name: generator(name, 0)):
        with pytest.raises(ValueError, match="'mixture clips' is no purpose"):
            ask("mixture clips")


def drawn(name, seed, stage="stage1"):
    """A function of the step, of one of the things that draw batches."""
    if name == "pairs":
        return lambda step: PairSampler(features_of(Toy()), 6, seed, stage).draw(step).audio
    if name == "judge":
        clips = torch.randn(8, 8_000, generator=torch.Generator().manual_seed(0))
        return lambda step: estimate_batches(clips, torch.arange(8), 6, seed)(step)[0]
    classes = sound_classes()[:2]
    if name == "images":
        shown = [drawings(sound, "train") for sound in classes]
        batch = minibind_trunks.image_batches(shown, 6, seed)
        return lambda step: batch(step)[0]
    batch = minibind_trunks.text_batches(classes, 6, seed)
    return lambda step: torch.tensor([len(text) for text in batch(step)[0]])


@pytest.mark.parametrize("name", ["pairs", "judge", "images", "words"])
def test_no_step_of_a_seed_is_a_step_of_another(name, monkeypatch):
    """Step 1,000,003 of seed 0 was step 0 of seed 1."""
    monkeypatch.setattr(
        minibind_trunks,
        "augment_pictures",
        lambda x, g, tilt: x * torch.rand(len(x), 1, 1, 1, generator=g),
    )
    first, again, other = drawn(name, 0), drawn(name, 0), drawn(name, 1)
    assert torch.equal(first(3), again(3))
    found = [first(1_000_003), first(0), other(0), other(1_000_003)]
    for i, one in enumerate(found):
        assert not any(one.shape == two.shape and torch.equal(one, two) for two in found[:i])


def test_stages_of_alignment_draw_other_batches():
    assert not torch.equal(drawn("pairs", 0)(0), drawn("pairs", 0, "stage2")(0))
