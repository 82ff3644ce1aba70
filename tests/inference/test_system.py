import warnings

import numpy as np
import pytest
import torch

import mars_lib
from mars_lib import waveform
from mars_lib.check import InputError
from mars_lib.data import manifests, pictures
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.experiments.evaluate import evaluate
from mars_lib.inference import pretrained, queries, system
from mars_lib.io import assets
from mars_lib.query import query_mixup, subtract


def test_two_calls_pick_the_source_that_was_asked_for(shipped, example):
    mixture, references = example
    for k, name in enumerate(("trumpet", "harp")):
        estimate = shipped.separate(mixture, 16_000, text=name)
        found = si_sdr(estimate=estimate, reference=references[k])
        assert found > si_sdr(estimate=mixture, reference=references[k]) + 5
        assert found > si_sdr(estimate=estimate, reference=references[1 - k]) + 5


@pytest.mark.parametrize(("split", "at_least"), [("test", 5.0), ("unseen", 3.5)])
def test_what_ships_separates_the_manifests(shipped, split, at_least):
    rows = evaluate(shipped, split, "text", limit=64, progress=False)["systems"]
    ours = rows[shipped.name]
    assert at_least < ours["si_sdri"]["mean"] < rows["oracle"]["si_sdri"]["mean"]
    assert ours["closer_to_target"] > 0.75
    assert abs(rows["mixture"]["si_sdri"]["mean"]) < 1e-9
    floor, named, ceiling = (rows[n]["judge"]["mean"] for n in ("mixture", shipped.name, "oracle"))
    assert floor < named < ceiling


def test_an_audio_query_in_antiphase_is_no_silence(shipped, example):
    (other, _) = example[1]
    asked = shipped.query(audio=(torch.stack([other, -other]), 16_000))
    assert torch.allclose(asked, shipped.query(audio=(other, 16_000)), atol=1e-5)


def test_hours_of_an_audio_query_are_asked_with_their_beginning(
    shipped, example, monkeypatch, sound_file
):
    monkeypatch.setattr(queries, "LONGEST", 1.0)
    wave = example[1][0]
    path = sound_file("query.wav", samples=wave.numpy())
    for audio in ((wave, 16_000), path):
        with pytest.warns(UserWarning, match="only its first 1(.0)? s are used"):
            asked = shipped.query(audio=audio)
        assert torch.allclose(asked, shipped.query(audio=(wave[:16_000], 16_000)), atol=1e-5)


def gain(system, mixture, reference, **query):
    estimate = system.separate(mixture, 16_000, **query)
    return si_sdr(estimate=estimate, reference=reference) - si_sdr(
        estimate=mixture, reference=reference
    )


def test_a_sound_asks_as_well(shipped, example):
    mixture, references = example
    _, (other, _) = manifests.example("trumpet", "harp", clip=50)
    assert gain(shipped, mixture, references[0], audio=(other, 16_000)) > 5


@pytest.mark.xfail(
    strict=True,
    reason="what ships takes the drawing of a player for no trumpet; its start took it for one",
)
def test_a_player_asks_for_the_instrument(shipped, example):
    mixture, references = example
    trumpet = next(s for s in sound_classes() if s.name == "trumpet")
    picture = pictures.load_picture(pictures.drawings(trumpet, "test")[0])
    assert gain(shipped, mixture, references[0], image=picture) > 1


def test_pictures_that_nobody_trained_on_ask_as_well(shipped):
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


def test_an_unknown_word_warns_with_the_nearest_and_goes_on(shipped, example):
    with pytest.warns(UserWarning, match="'kazoo' is no class.*nearest"):
        estimate = shipped.separate(example[0], 16_000, text="kazoo")
    assert torch.isfinite(estimate).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shipped.query(text="the sound of a fiddle")


def test_silence_in_silence_out(shipped):
    with pytest.warns(UserWarning, match="silent"):
        estimate = shipped.separate(torch.zeros(2, 20_000), 16_000, text="violin")
    assert not estimate.any()


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda s: s.query(), "query: is empty"),
        (lambda s: s.query(text="violin", weights={"smell": 1.0}), "smell"),
        (lambda s: s.query(text="violin", weights={"text": 2.0}), "query weights"),
        (lambda s: s.query(audio=(torch.zeros(16_000), 16_000)), "audio query: is silent"),
        (lambda s: s.query(audio=(torch.zeros(100), 16_000)), "lasts 6 ms"),
        (lambda s: s.separate(torch.full((9_000,), float("nan")), 16_000, text="harp"), "NaN"),
        (lambda s: s.separate(torch.rand(1_023), 16_000, text="harp"), "one STFT window, 64 ms"),
        (
            lambda s: s.separate(torch.rand(2, 2, 2, 9_000), 16_000, text="harp"),
            "mixture: has shape",
        ),
        (
            lambda s: s.separate(torch.rand(0, 9_000), 16_000, text="harp"),
            "mixture: holds no samples",
        ),
        (
            lambda s: s.separate(torch.rand(9_000).tolist(), 16_000, text="harp"),
            "mixture: is a list",
        ),
        (lambda s: s.separate("mix.wav", 16_000, text="harp"), "mixture: is a str"),
        (
            lambda s: s.separate(torch.ones(9_000).short(), 16_000, text="harp"),
            "mixture: holds int16",
        ),
        (
            lambda s: s.separate(np.ones(9_000, dtype="i2"), 16_000, text="harp"),
            "mixture: holds int16",
        ),
        (
            lambda s: s.separate(torch.ones(9_000) + 0j, 16_000, text="harp"),
            "mixture: holds complex",
        ),
        (
            lambda s: s.separate(
                torch.full((9_000,), 1e300, dtype=torch.float64), 16_000, text="harp"
            ),
            "infinite",
        ),
        (lambda s: s.separate(torch.rand(9_000), 0, text="harp"), "rate of the mixture: is 0"),
        (
            lambda s: s.separate(torch.rand(9_000), -16_000, text="harp"),
            "rate of the mixture: is -16000",
        ),
        (
            lambda s: s.separate(torch.rand(9_000), float("nan"), text="harp"),
            "rate of the mixture: is nan",
        ),
        (
            lambda s: s.separate(torch.rand(9_000), "16000", text="harp"),
            "rate of the mixture: is '16000'",
        ),
        (
            lambda s: s.separate(torch.rand(9_000), None, text="harp"),
            "rate of the mixture: is None",
        ),
        (
            lambda s: s.separate_queries(torch.rand(9_000), 16_000, torch.rand(0, 256)),
            "queries: are none",
        ),
        (
            lambda s: s.separate_queries(torch.rand(9_000), 16_000, torch.rand(256)),
            "queries: has shape",
        ),
        (
            lambda s: s.separate_queries(torch.rand(9_000), 16_000, torch.rand(2, 9)),
            "queries: has shape",
        ),
        (
            lambda s: s.separate_queries(
                torch.rand(9_000), 16_000, torch.full((1, 256), torch.nan)
            ),
            "queries: .*NaN",
        ),
        (
            lambda s: s.separate_queries(torch.rand(9_000), 16_000, [[1.0] * 256]),
            "queries: is a list",
        ),
        (lambda s: s.query(text=5), "text query: is a int"),
        (lambda s: s.query(text=["harp"]), "text query: is a list"),
        (lambda s: s.query(text="  "), "text query: '  ' holds no word"),
        (lambda s: s.query(text="harp", negative_text=b"piano"), "text query: is a bytes"),
        (lambda s: s.query(text="harp", weights=0.5), "query weights: are a float"),
        (lambda s: s.query(text="harp", weights={5: 0.5}), "query weights: name 5"),
        (
            lambda s: s.query(text="harp", weights={"text": "1"}),
            "query weights: that of text: is '1'",
        ),
        (
            lambda s: s.query(text="harp", weights={"text": float("nan")}),
            "query weights: that of text: is nan",
        ),
        (
            lambda s: s.query(text="harp", negative_text="piano", negative_strength=float("nan")),
            "strength: is nan",
        ),
        (
            lambda s: s.query(text="harp", negative_text="piano", negative_strength="much"),
            "strength: is 'much'",
        ),
        (lambda s: s.query(image=torch.zeros(224, 224, 3)), "image query: has shape"),
        (lambda s: s.query(image=torch.zeros(1, 3, 224, 224)), "image query: has shape"),
        (lambda s: s.query(image=torch.zeros(3, 224, 224).byte()), "image query: holds uint8"),
        (
            lambda s: s.query(image=torch.full((3, 224, 224), 255.0)),
            "image query: holds values from 255 to 255",
        ),
        (lambda s: s.query(image=torch.full((3, 224, 224), torch.nan)), "image query: holds NaN"),
        (lambda s: s.query(negative_image=5, text="harp"), "image query: is a int"),
        (lambda s: s.query(audio=torch.rand(9_000)), "audio query: is a Tensor; give a path, or"),
        (lambda s: s.query(audio=(torch.rand(9_000).tolist(), 16_000)), "audio query: is a list"),
        (lambda s: s.query(audio=(torch.rand(9_000), 0)), "rate of the audio query: is 0"),
        (lambda s: s.encoder.embed_text("harp"), "text queries: are no list of texts"),
        (lambda s: s.encoder.embed_text([]), "text queries: are no list of texts"),
        (
            lambda s: s.encoder.embed_image(torch.zeros(1, 3, 224, 224).byte()),
            "images: holds uint8",
        ),
        (lambda s: s.encoder.embed_audio(torch.zeros(1, 9_000).short()), "waveform: .*int16"),
        (lambda s: s.encoder.embed_audio(torch.zeros(1, 0)), "waveform: has shape"),
        (lambda s: mars_lib.load(5), "checkpoint: is a int"),
        (
            lambda s: mars_lib.load("mars-sep"),
            "checkpoint mars-sep: is no pretrained separator.*mars-sep-small or separator-small",
        ),
        (lambda s: mars_lib.load("none/mars-sep.safetensors"), "is not there"),
        (lambda s: s.to("toaster"), "use cpu, cuda, mps or auto"),
        (lambda s: s.separate(torch.rand(9_000), 16_000), "query: is empty"),
        (
            lambda s: s.separate(torch.rand(9_000), 16_000, text="harp", overlap=0.9),
            "overlap: is 0.9",
        ),
        (
            lambda s: s.separate_queries(
                torch.rand(9_000), 16_000, torch.rand(1, 256), precision="64-true"
            ),
            "precision: is '64-true'",
        ),
        (lambda s: s.separate_file("none.wav", "out.wav", text="harp"), "none.wav"),
        (lambda s: s.separate_file("none.wav", "out.wav", text=[]), "text queries: are none"),
        (lambda s: s.separate_file(5, "out.wav", text="harp"), "source: is a int"),
        (lambda s: s.separate_file("none.wav", None, text="harp"), "output: is a NoneType"),
        (lambda s: mars_lib.load(weights=5), "weights 5: are not wanted"),
        (lambda s: pretrained.load_encoder("imagebind", 5), "weights: is a int|package imagebind"),
        (lambda s: pictures.load_picture(torch.zeros(3, 224, 224)), "picture: is a Tensor"),
    ],
)
def test_bad_input_is_named(shipped, call, problem):
    with pytest.raises(InputError, match=problem):
        call(shipped)


def test_every_kind_of_numbers_gives_the_same_estimate(shipped, example):
    mixture = torch.stack([example[0], 0.5 * example[0]])[:, :9_000]
    wanted = shipped.separate(mixture, 16_000, text="harp")
    given = mixture.double().requires_grad_()
    found = shipped.separate(given, 16_000.0, text="harp")
    assert found.dtype == torch.float64 and not found.requires_grad
    assert torch.allclose(found.float(), wanted, atol=1e-5)
    array = mixture.numpy()
    for given in (array.astype(">f8"), array[:, ::-1].copy()[:, ::-1]):
        found = shipped.separate(given, np.int64(16_000), text="harp")
        assert isinstance(found, np.ndarray) and found.dtype == np.dtype(given.dtype.type)
        assert np.allclose(found, wanted.numpy(), atol=1e-5)
    query = shipped.query(text="harp").double().requires_grad_()
    assert torch.allclose(
        shipped.separate_queries(mixture, 16_000, query[None])[0], wanted, atol=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_an_estimate_has_the_type_of_its_mixture(shipped, example, dtype):
    given = example[0][:9_000].to(dtype)
    found = shipped.separate(given, 16_000, text="harp")
    assert found.dtype == dtype and found.device == given.device
    wanted = shipped.separate(given.float(), 16_000, text="harp")
    assert torch.allclose(found.float(), wanted, atol=2e-3)


def test_batches_of_waveforms_are_separated_one_by_one(shipped, example):
    mixture, (first, second) = example
    batch = torch.stack([torch.stack([mixture, first]), torch.stack([second, mixture])])
    batch = batch[..., :20_000]
    asked = torch.stack([shipped.query(text=name) for name in ("trumpet", "harp")])
    found = shipped.separate_queries(batch, 16_000, asked, batch_size=3)
    assert found.shape == (2, 2, 2, 20_000)
    for b in range(2):
        alone = shipped.separate(batch[b], 16_000, text="harp")
        assert torch.allclose(found[1, b], alone, atol=1e-5)
    array = shipped.separate(batch.numpy(), 16_000, text="harp")
    assert isinstance(array, np.ndarray) and np.allclose(array, found[1].numpy(), atol=1e-5)


@pytest.mark.parametrize("overlap", [0.25, 0.75])
def test_another_overlap_separates_as_well(shipped, example, overlap):
    mixture, references = example
    estimate = shipped.separate(
        mixture.repeat(3), 16_000, text="trumpet", overlap=overlap, batch_size=2
    )
    reference = references[0].repeat(3)
    gained = si_sdr(estimate=estimate, reference=reference)
    assert gained > si_sdr(estimate=mixture.repeat(3), reference=reference) + 5


def test_a_file_gives_what_its_samples_give(shipped, sound_file, tmp_path):
    source = sound_file(seconds=2, rate=22_050, channels=2)
    out = tmp_path / "out.flac"
    written = shipped.separate_file(
        source, out, text="violin", negative_text="piano", overlap=0.25, progress=False
    )
    samples, rate = waveform.load(source)
    wanted = shipped.separate(samples, rate, text="violin", negative_text="piano", overlap=0.25)
    found, found_rate = waveform.load(out)
    assert written == [out] and found_rate == rate
    assert torch.allclose(found, wanted, atol=1e-3)


def test_several_texts_give_several_files(shipped, sound_file, tmp_path, capsys):
    written = shipped.separate_file(
        str(sound_file()), str(tmp_path / "o.wav"), text=["violin", "piano"], progress=False
    )
    assert written == [tmp_path / "o-violin.wav", tmp_path / "o-piano.wav"]
    assert all(path.is_file() for path in written) and not capsys.readouterr().err
    with pytest.raises(InputError, match="is input and output at once"):
        shipped.separate_file(written[0], written[0], text="harp")
    with pytest.raises(InputError, match="is input and output at once"):
        shipped.separate_file(written[0], written[1], audio=written[1])


def test_pretrained_separators_are_loaded_by_name():
    assert mars_lib.available() == ["mars-sep-small", "separator-small"]
    for name in mars_lib.available():
        loaded = mars_lib.load(name, "cpu")
        assert loaded.name == name and loaded.device == torch.device("cpu")
        assert loaded.sample_rate == 16_000 and loaded.to("cpu") is loaded
        assert len(loaded.classes) == 35 and "violin" in loaded.classes


def test_a_file_may_be_named_as_a_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_bytes(assets.checkpoint("separator-small").read_bytes())
    assert mars_lib.load("mine", "cpu").name == "mine"


def test_arrays_ask_as_tensors_do(shipped, generator):
    picture, sound = (
        torch.rand(3, 224, 224, generator=generator),
        torch.rand(16_000, generator=generator) - 0.5,
    )
    for tensor, array in (
        ({"image": picture}, {"image": picture.double().numpy()}),
        ({"audio": (sound, 16_000)}, {"audio": (sound.numpy(), 16_000)}),
        ({"audio": (sound, 16_000)}, {"audio": (sound.clone().requires_grad_(), 16_000)}),
    ):
        assert torch.allclose(shipped.query(**tensor), shipped.query(**array), atol=1e-6)


def test_a_device_may_be_a_torch_device(monkeypatch, shipped):
    monkeypatch.setattr(system, "load_encoder", lambda *_: shipped.encoder)
    assert (
        next(mars_lib.load(device=torch.device("cpu")).separator.parameters()).device.type == "cpu"
    )
    with pytest.raises(InputError, match="device: is 'None'"):
        mars_lib.load(device=None)


def test_devices_that_are_not_there():
    if torch.cuda.is_available():
        assert mars_lib.load(device="cuda") is not None
    else:
        with pytest.raises(InputError, match="cuda is not there"):
            mars_lib.load(device="cuda")
    with pytest.raises(InputError, match="use cpu, cuda, mps or auto"):
        mars_lib.load(device="toaster")
