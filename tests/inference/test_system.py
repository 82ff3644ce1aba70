"""What the pretrained system separates, for every kind of query."""

import warnings
from pathlib import Path

import pytest
import torch

from mars_lib.data import manifests, pictures
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.experiments.evaluate import evaluate
from mars_lib.inference import queries, system
from mars_lib.query import query_mixup, subtract


def test_two_calls_pick_the_queried_source(shipped, example):
    mixture, references = example
    for k, name in enumerate(("trumpet", "harp")):
        estimate = shipped.separate(mixture, 16_000, text=name)
        found = si_sdr(estimate=estimate, reference=references[k])
        assert found > si_sdr(estimate=mixture, reference=references[k]) + 5
        assert found > si_sdr(estimate=estimate, reference=references[1 - k]) + 5


@pytest.mark.parametrize(("split", "at_least"), [("test", 5.0), ("unseen", 3.5)])
def test_the_pretrained_system_separates_the_manifests(shipped, split, at_least):
    rows = evaluate(shipped, split, "text", limit=64, progress=False)["systems"]
    ours = rows[shipped.name]
    assert at_least < ours["si_sdri"]["mean"] < rows["oracle"]["si_sdri"]["mean"]
    assert ours["closer_to_target"] > 0.75
    assert abs(rows["mixture"]["si_sdri"]["mean"]) < 1e-9
    floor, named, ceiling = (rows[n]["judge"]["mean"] for n in ("mixture", shipped.name, "oracle"))
    assert floor < named < ceiling


def test_an_audio_query_in_antiphase_is_no_silence(shipped, example):
    (other, _) = example[1]
    query = shipped.query(audio=(torch.stack([other, -other]), 16_000))
    assert torch.allclose(query, shipped.query(audio=(other, 16_000)), atol=1e-5)


def test_of_a_long_audio_query_the_beginning_counts(shipped, example, monkeypatch, sound_file):
    monkeypatch.setattr(queries, "LONGEST", 1.0)
    wave = example[1][0]
    path = sound_file("query.wav", samples=wave.numpy())
    for audio in ((wave, 16_000), path):
        with pytest.warns(UserWarning, match="only its first 1(.0)? s are used"):
            query = shipped.query(audio=audio)
        assert torch.allclose(query, shipped.query(audio=(wave[:16_000], 16_000)), atol=1e-5)


def gain(system, mixture, reference, **query):
    estimate = system.separate(mixture, 16_000, **query)
    return si_sdr(estimate=estimate, reference=reference) - si_sdr(
        estimate=mixture, reference=reference
    )


def test_audio_queries(shipped, example):
    mixture, references = example
    _, (other, _) = manifests.example("trumpet", "harp", clip=50)
    assert gain(shipped, mixture, references[0], audio=(other, 16_000)) > 5


def test_the_drawing_of_a_player_queries_its_instrument(shipped, example):
    mixture, references = example
    trumpet = next(s for s in sound_classes() if s.name == "trumpet")
    picture = pictures.load_picture(pictures.drawings(trumpet, "test")[0])
    assert gain(shipped, mixture, references[0], image=picture) > 5


def test_held_out_drawings_are_queries(shipped):
    sounds = {sound.name: sound for sound in sound_classes()}
    gains = []
    for pair in (("trumpet", "harp"), ("violin", "drum kit"), ("flute", "piano")):
        mixture, references = manifests.example(*pair, clip=6)
        for name, reference in zip(pair, references):
            for path in pictures.drawings(sounds[name], "test"):
                gains.append(gain(shipped, mixture, reference, image=pictures.load_picture(path)))
    assert torch.stack(gains).mean() > 3


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 6), (16_000, 1)])
def test_any_rate_and_channels_come_back_as_they_were(shipped, generator, rate, channels):
    mixture = 0.1 * torch.randn(channels, int(0.7 * rate) + 1, generator=generator)
    estimate = shipped.separate(mixture, rate, text="flute")
    assert estimate.shape == mixture.shape and torch.isfinite(estimate).all()


def test_queries_together_equal_queries_alone(shipped, example):
    mixture, _ = example
    queries = torch.stack([shipped.query(text=name) for name in ("violin", "piano", "tuba")])
    together = shipped.separate_queries(mixture, 16_000, queries)
    assert torch.allclose(together[1], shipped.separate(mixture, 16_000, text="piano"), atol=1e-5)


def test_query_algebra(shipped):
    text, image = shipped.query(text="violin"), torch.rand(3, 224, 224)
    both = shipped.query(text="violin", image=image, weights={"image": 0.25})
    expected = query_mixup(
        torch.stack([text, shipped.query(image=image)]), torch.tensor([1.0, 0.25])
    )
    assert torch.allclose(both, expected, atol=1e-6)
    pushed = shipped.query(text="violin", negative_text="piano", negative_strength=0.3)
    assert torch.allclose(pushed, subtract(text, shipped.query(text="piano"), 0.3), atol=1e-6)


def test_warnings_point_at_the_line_that_called(shipped, example):
    mixture, _ = example
    long = (0.1 * torch.ones(301 * 1_000), 1_000)
    calls = (
        lambda: shipped.query(text="kazoo"),
        lambda: shipped.query(text="harp", negative_text="kazoo"),
        lambda: shipped.separate(mixture, 16_000, text="kazoo"),
        lambda: shipped.query(audio=long),
        lambda: shipped.separate(torch.zeros(16_000), 16_000, text="harp"),
        lambda: shipped.separate_queries(
            torch.zeros(16_000), 16_000, shipped.query(text="harp")[None]
        ),
    )
    for call in calls:
        with pytest.warns(UserWarning) as caught:
            call()
        assert [each.filename for each in caught] == [__file__]


def test_a_pretrained_separator_is_known_by_its_name_as_a_path_too(shipped):
    assert system.load(Path("pathwise-small"), "cpu").name == shipped.name


def test_an_unknown_word_warns_with_the_nearest_and_goes_on(shipped, example):
    with pytest.warns(UserWarning, match="'kazoo' may be no sound.*nearest"):
        estimate = shipped.separate(example[0], 16_000, text="kazoo")
    assert torch.isfinite(estimate).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shipped.query(text="the sound of a fiddle")


def test_silence_in_silence_out(shipped):
    with pytest.warns(UserWarning, match="silent"):
        estimate = shipped.separate(torch.zeros(2, 20_000), 16_000, text="violin")
    assert not estimate.any()
