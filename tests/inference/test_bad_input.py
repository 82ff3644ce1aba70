"""What `load`, `query` and `separate` refuse, each with one line that names it."""

import numpy as np
import pytest
import torch

import mars_lib
from mars_lib.check import InputError
from mars_lib.data import pictures
from mars_lib.inference import pretrained


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
            "checkpoint mars-sep: is no pretrained separator.*pathwise-small or separator-small",
        ),
        (lambda s: mars_lib.load("none/mars-sep.safetensors"), "is not there"),
        (lambda s: mars_lib.load("a" * 300), "is no pretrained separator"),
        (lambda s: mars_lib.load("a" * 300 + ".safetensors"), "is not there"),
        (lambda s: mars_lib.load("/"), "is a folder"),
        (lambda s: s.query(image="a" * 300), "is not there"),
        (lambda s: s.separate(16_000, torch.rand(9_000), text="harp"), "mixture.*is a Tensor;"),
        (lambda s: s.query(text="harp", negative_strength=-5), "strength: is -5"),
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
        (lambda s: s.separate_file("none.wav", "out.wav", text=[]), "are no list of texts"),
        (
            lambda s: s.separate_file("none.wav", "out.wav", text=5),
            "are no list of texts|text query",
        ),
        (
            lambda s: s.separate_file("none.wav", "out.wav", text=["harp", 5]),
            "text query: is a int",
        ),
        (lambda s: s.separate_file("none.wav", "out.wav", text=b"harp"), "text query: is a"),
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
