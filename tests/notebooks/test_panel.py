"""The panel of notebook 00: what its controls ask of the separator, and what it shows."""

import io
import re

import pytest
import soundfile
import torch
from PIL import Image

from mars_lib import show
from mars_lib.check import InputError
from mars_lib.show.widgets import _Panel

MIXTURES = {"one": torch.linspace(-0.5, 0.5, 16_000), "two": torch.rand(16_000) - 0.5}


class Asked:
    """Halves what it is given, and remembers how it was asked."""

    def separate(self, waveform, rate, **query):
        if not any(query.get(name) for name in ("text", "image", "audio")):
            raise InputError("query: is empty; give text, audio or image")
        self.waveform, self.rate, self.query = waveform, rate, query
        return waveform / 2


@pytest.fixture
def panel():
    return _Panel(Asked(), MIXTURES, "harp")


def sound(rate=44_100):
    file = io.BytesIO()
    soundfile.write(file, torch.rand(rate, 2).numpy() - 0.5, rate, format="WAV")
    return file.getvalue()


def picture():
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


def test_it_begins_with_the_first_mixture_and_carries_that_as_html(panel):
    assert panel.system.query["text"] == "harp" and panel.system.query["weights"] == {"text": 1.0}
    assert torch.equal(panel.system.waveform, MIXTURES["one"])
    box = show.separator_panel(Asked(), MIXTURES, "<harp>")
    assert box._picture.count("<audio") == 2 and box._picture.count("<img alt=") == 1
    assert len(box.children) == 6


def test_every_control_asks_anew(panel):
    panel.widget()
    panel.mixture.value = "two"
    assert torch.equal(panel.system.waveform, MIXTURES["two"])
    panel.text.value = "trumpet"
    panel.weights["text"].value = 0.3
    panel.negative.value, panel.strength.value = "harp", 1.0
    asked = panel.system.query
    assert asked["text"] == "trumpet" and asked["weights"] == {"text": 0.3}
    assert (asked["negative_text"], asked["negative_strength"]) == ("harp", 1.0)
    assert panel.area.value.count("<audio") == 2


@pytest.mark.parametrize("version", [7, 8])
def test_uploads_of_both_versions_of_ipywidgets(panel, version):
    def upload(kind, name, content):
        value = {name: {"content": content}}
        if version == 8:
            value = ({"name": name, "content": memoryview(content)},)
        # The trait's type is that of the version that is installed.
        panel.uploads[kind] = type("Upload", (), {"value": value})()

    panel.text.value = ""
    upload("image", "my.picture.png", picture())
    upload("audio", "mine.wav", sound())
    upload("mixture", "mix.wav", sound(22_050))
    panel.own = True
    html = panel.result()
    asked = panel.system.query
    assert sorted(asked["weights"]) == ["audio", "image"] and "text" not in asked
    assert asked["image"].read_bytes() == picture() and asked["image"].suffix == ".png"
    assert asked["audio"].suffix == ".wav" and html.count("<audio") == 2
    # One second, mono, at 16 kHz.
    assert panel.system.waveform.shape == (16_000,) and panel.system.rate == 16_000


def test_what_is_wrong_stands_where_the_sound_would_be(panel):
    panel.widget()
    panel.text.value = " "
    assert re.fullmatch(r"<em>query: is empty; .*</em>", panel.area.value)
    panel.text.value = "harp"
    assert "<audio" in panel.area.value
