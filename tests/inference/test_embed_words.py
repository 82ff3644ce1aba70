"""Words are drawn to the class that they name, where the encoder knows what they name."""

import copy

import pytest
import torch
from torch.nn.functional import normalize

from mars_lib.data import manifests
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.experiments.query_modes import embed
from mars_lib.inference import pretrained
from mars_lib.inference.known_words import PULL, class_directions, embed_words

NAMES = [sound.name for sound in sound_classes()]


@pytest.fixture(scope="module")
def encoder():
    return pretrained.load_minibind2(heads="stage3")


def test_a_familiar_text_is_drawn_to_its_nearest_class(encoder):
    texts, classes = ["telephone", "somebody playing the fiddle"], ["telephone", "violin"]
    own, directions = encoder.embed_text(texts), class_directions(encoder)
    towards = torch.stack([directions[NAMES.index(name)] for name in classes])
    torch.testing.assert_close(embed_words(encoder, texts), normalize(own + PULL * towards, dim=-1))


def test_an_unfamiliar_text_stays_as_it_is(encoder):
    texts = ["kettle boiling"]
    torch.testing.assert_close(embed_words(encoder, texts), encoder.embed_text(texts))


def test_a_closed_vocabulary_stays_as_it_is(minibind):
    torch.testing.assert_close(embed_words(minibind, NAMES), minibind.embed_text(NAMES))


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
    after, directions = embed_words(learning, ["violin"]), class_directions(learning)
    torch.testing.assert_close(
        after,
        normalize(
            learning.embed_text(["violin"]) + PULL * directions[NAMES.index("violin")], dim=-1
        ),
    )
    assert (after * first).sum() < 0.99


def test_comparisons_ask_with_the_same_queries_as_users(encoder):
    asked = embed(encoder, "text", ["telephone"], (), ())
    torch.testing.assert_close(asked, embed_words(encoder, ["telephone"]))
