"""Words and pictures are drawn to the classes that they are near, where the encoder knows them."""

import copy

import pytest
import torch
from torch.nn.functional import normalize

from mars_lib.data import manifests
from mars_lib.data.pictures import drawings, load_picture
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.experiments.query_modes import embed
from mars_lib.inference import pretrained
from mars_lib.inference.drawn_queries import TEXT_PULL, embed_pictures, embed_words
from mars_lib.inference.known_words import class_directions

NAMES = [sound.name for sound in sound_classes()]


@pytest.fixture(scope="module")
def encoder():
    return pretrained.load_minibind2(heads="stage3")


def test_a_familiar_text_is_drawn_to_its_nearest_class(encoder):
    texts, classes = ["telephone", "somebody playing the fiddle"], ["telephone", "violin"]
    own, directions = encoder.embed_text(texts), class_directions(encoder)
    towards = torch.stack([directions[NAMES.index(name)] for name in classes])
    expected = normalize(own + TEXT_PULL * towards, dim=-1)
    torch.testing.assert_close(embed_words(encoder, texts), expected, atol=2e-3, rtol=0)


def test_an_unfamiliar_text_stays_as_it_is(encoder):
    texts = ["kettle boiling"]
    torch.testing.assert_close(embed_words(encoder, texts), encoder.embed_text(texts))


def test_a_closed_vocabulary_stays_as_it_is(minibind):
    torch.testing.assert_close(embed_words(minibind, NAMES), minibind.embed_text(NAMES))


def test_pictures_are_drawn_less_and_those_for_a_closed_vocabulary_stay(encoder, minibind):
    shown = torch.stack([load_picture(drawings(sound, "test")[0]) for sound in sound_classes()[:6]])
    own, directions = encoder.embed_image(shown), class_directions(encoder)
    drawn = embed_pictures(encoder, shown)
    near, nearer = ((z @ directions.T).amax(dim=-1) for z in (own, drawn))
    assert (nearer > near).all() and ((own * drawn).sum(dim=-1) > 0.8).all()
    torch.testing.assert_close(embed_pictures(minibind, shown), minibind.embed_image(shown))


def test_words_are_then_nearer_to_the_sounds_of_their_class(encoder):
    """So it is for nine classes of ten, on clips of the validation split."""
    music = manifests.music()
    clips = torch.stack(
        [torch.from_numpy(music.clip("validation", sound, 0)) for sound in sound_classes()]
    )
    sounds = encoder.embed_audio(clips)
    before = (sounds * encoder.embed_text(NAMES)).sum(dim=-1)
    after = (sounds * embed_words(encoder, NAMES)).sum(dim=-1)
    assert (after > before).float().mean() > 0.9


def test_a_head_that_was_trained_on_has_other_directions(encoder):
    learning = copy.deepcopy(encoder)
    first = embed_words(learning, ["violin"])
    with torch.no_grad():
        learning.heads["text"].weight.mul_(torch.linspace(0.5, 1.5, 256)[:, None])
    after, towards = embed_words(learning, ["violin"]), class_directions(learning)
    expected = normalize(
        learning.embed_text(["violin"]) + TEXT_PULL * towards[NAMES.index("violin")], dim=-1
    )
    torch.testing.assert_close(after, expected, atol=2e-3, rtol=0)
    assert (after * first).sum() < 0.99


def test_comparisons_ask_with_the_same_queries_as_users(encoder):
    asked = embed(encoder, "text", ["telephone"], (), ())
    torch.testing.assert_close(asked, embed_words(encoder, ["telephone"]))
