from pathlib import Path

import numpy as np
import pytest

from mars_lib.check import InputError
from mars_lib.data import soundfonts
from mars_lib.data.classes import sound_classes
from mars_lib.data.root_keys import write_in_tune
from mars_lib.data.soundfonts import Soundfont

VIOLIN = next(sound for sound in sound_classes() if sound.name == "violin")


@pytest.fixture(scope="module")
def bank():
    return next(font for font in soundfonts.find(listed_only=True) if font.role == "training")


@pytest.fixture(scope="module")
def in_tune(bank, tmp_path_factory):
    path = tmp_path_factory.mktemp("fonts") / "in_tune.sf2"
    assert write_in_tune(bank.path, path) > 100
    return Soundfont("in tune", path)


def harmonic_share(font, pitch):
    """Share of a violin note's energy at multiples of the pitch that was asked for."""
    wave = soundfonts.play(font, VIOLIN, 40, [(0.0, 1.0, pitch, 100)], 16_000)[800:12_800]
    energy = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / 16_000)
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    near = (hertz > f0 / 2) & (np.abs(hertz - f0 * np.round(hertz / f0)) < 0.03 * f0)
    return energy[near].sum() / energy.sum()


@pytest.mark.parametrize("pitch", [57, 64, 69, 76, 81, 88])
def test_a_violin_plays_the_pitch_that_it_is_asked_for(in_tune, pitch):
    assert harmonic_share(in_tune, pitch) > 0.6


def test_the_synthesizer_passes_over_the_zones_root_keys(bank):
    # When this fails the synthesizer has learned it, and `root_keys` can go.
    assert harmonic_share(bank, 69) < 0.2


def test_sound_data_are_kept_and_a_second_pass_changes_nothing(bank, in_tune, tmp_path):
    before, after = bank.path.read_bytes(), in_tune.path.read_bytes()
    at = before.index(b"smpl")
    assert before[at : at + 100_000] == after[at : at + 100_000]
    again = tmp_path / "again.sf2"
    assert write_in_tune(in_tune.path, again) == 0 and again.read_bytes() == after


def test_bad_input(bank, tmp_path):
    with pytest.raises(InputError, match="is not there"):
        write_in_tune("none.sf2", tmp_path / "out.sf2")
    with pytest.raises(InputError, match="input and output at once"):
        write_in_tune(bank.path, bank.path)
    text = tmp_path / "text.sf2"
    text.write_text("no soundfont at all")
    with pytest.raises(InputError, match="is no soundfont"):
        write_in_tune(text, tmp_path / "out.sf2")
    cut = tmp_path / "cut.sf2"
    cut.write_bytes(Path(bank.path).read_bytes()[:5_000])
    with pytest.raises(InputError, match="damaged soundfont"):
        write_in_tune(cut, tmp_path / "out.sf2")
    assert not (tmp_path / "out.sf2").exists()
