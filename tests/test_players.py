"""Players in notebooks."""

import base64
import io
import re

import pytest
import soundfile
import torch

from mars_lib.show.players import audio, players


@pytest.mark.parametrize(
    ("rate", "played"), [(44_100, 44_100), (96_000, 48_000), (7_000, 8_000), (50_000, 48_000)]
)
def test_a_player_takes_any_rate(rate, played):
    tone = torch.sin(2 * torch.pi * 440 * torch.arange(2 * rate) / rate)
    data = base64.b64decode(re.search('base64,([^"]*)', audio(tone, rate, "a tone"))[1])
    sound, found = soundfile.read(io.BytesIO(data))
    assert found == played and len(sound) == pytest.approx(2 * played, abs=2_500)
    assert torch.fft.rfft(torch.from_numpy(sound[:played])).abs().argmax() == 440


def test_a_player_has_a_name_for_those_who_cannot_see_it():
    table = players({"harp & <trumpet>": torch.rand(1_600)}).data
    assert re.findall('aria-label="([^"]*)"', table) == ["harp &amp; &lt;trumpet&gt;"]
    assert "<div>harp &amp; &lt;trumpet&gt;</div>" in table
