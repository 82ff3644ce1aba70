import numpy as np
import pytest

from mars_lib.check import InputError
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.data.synthesis.gus_patches import HEADER, SAMPLE
from mars_lib.data.synthesis.sampler import Sampler
from mars_lib.data.synthesis.soundfonts import Soundfont
from tests.data.soundfont_bank import tone, write_bank

RATE, CYCLE = 22_000, 50  # a tone of 440 Hz
VIOLIN = next(sound for sound in sound_classes() if sound.name == "violin")


def write_patch(path, samples, modes=1 | 4 | 32, loop=(0, None), root=440.0, **header):
    """A patch of one sample, laid out by hand as the reference has it."""
    data = samples.tobytes()
    row = np.zeros(1, SAMPLE)
    row["bytes"], row["rate"], row["modes"] = len(data), RATE, modes
    row["loop"], row["loop_end"] = loop[0], len(data) if loop[1] is None else loop[1]
    row["low"], row["high"], row["root"] = 20_000, 20_000_000, int(root * 1000)
    # At once to the full volume, and at once to silence when the key is let go.
    row["rates"], row["offsets"] = 63, [246, 246, 246, 0, 0, 0]
    for name, value in header.items():
        row[name] = value
    head = bytearray(HEADER)
    head[:12], head[HEADER - 41] = b"GF1PATCH110\0", 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(head) + row.tobytes() + data)


def sine(cycles=40):
    return (20_000 * np.sin(2 * np.pi * np.arange(cycles * CYCLE) / CYCLE)).astype("<i2")


def frequency(wave):
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 2**16))
    return np.argmax(spectrum) * 16_000 / 2**16


@pytest.mark.parametrize(("key", "hertz"), [(69, 440.0), (81, 880.0), (57, 220.0), (70, 466.16)])
def test_a_patch_sounds_at_the_pitch_of_its_key(tmp_path, key, hertz):
    write_patch(tmp_path / "Tone_000/040_Violin.pat", sine())
    wave = Sampler(tmp_path).play(40, [(0.0, 0.5, key, 127)], 0.5)
    assert frequency(wave) == pytest.approx(hertz, rel=2e-3)
    assert not Sampler(tmp_path).play(41, [(0.0, 0.5, key, 127)], 0.5).any()


@pytest.mark.parametrize(
    ("samples", "modes", "start"),
    [
        (sine()[::-1].copy(), 1 | 4 | 16 | 32, 0),
        ((sine().astype(np.int32) + 32_768).astype("<u2"), 1 | 2 | 4 | 32, 0),
        ((sine() // 256).astype("i1"), 4 | 32, 0),
        # From one crest to another, so that the way back goes on smoothly.
        (sine(21)[: 20 * CYCLE + CYCLE // 4 + 1], 1 | 4 | 8 | 32, 2 * (CYCLE // 4)),
    ],
    ids=["backwards", "unsigned", "eight bits", "back and forth"],
)
def test_every_kind_of_samples_is_the_same_tone_and_goes_on_in_its_loop(
    tmp_path, samples, modes, start
):
    write_patch(tmp_path / "Tone_000/040_Violin.pat", samples, modes, (start, None))
    wave = Sampler(tmp_path).play(40, [(0.0, 1.0, 69, 127)], 1.0)
    assert frequency(wave[8_000:]) == pytest.approx(440.0, rel=5e-3)
    assert np.abs(wave[8_000:15_000]).max() > 0.3


def test_a_drum_keeps_its_pitch_and_sounds_to_its_end(tmp_path):
    path = tmp_path / "Drum_000/056_Cow_Bell.pat"
    write_patch(path, sine(200), modes=1, root=100.0, offsets=[246] * 6)
    wave = Sampler(tmp_path).play(0, [(0.0, 0.01, 56, 127)], 0.6, drums=True)
    assert frequency(wave) == pytest.approx(440.0, rel=2e-3)
    assert np.abs(wave[6_000:7_000]).max() > 0.3  # 0.45 s of sample, whose key was let go at once


def test_a_release_falls_as_fast_as_its_rate_says(tmp_path):
    # Rate 13 at the third speed is 104: from 246 to 0 in 246 * 8192 / 44100 / 104 = 0.44 s.
    write_patch(tmp_path / "Tone_000/040_Violin.pat", sine(), rates=[63, 63, 63, 0b10_001101, 0, 0])
    wave = Sampler(tmp_path).play(40, [(0.0, 0.2, 69, 127)], 0.6)
    level = [np.abs(wave[at : at + 400]).max() for at in (2_800, 3_200 + 3_520)]
    assert 20 * np.log10(level[1] / level[0]) == pytest.approx(-46.3, abs=3.5)  # half of 92.6 dB


def test_keys_without_a_sample_take_the_nearest(tmp_path):
    write_patch(tmp_path / "Tone_000/040_Violin.pat", sine(), low=400_000, high=500_000)
    keys = [zone.keys for zone in Sampler(tmp_path).zones(40)]
    assert [key for pair in keys for key in range(pair.low, pair.high + 1)] == list(range(128))


def test_what_is_no_folder_of_patches_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no patches"):
        Sampler(tmp_path)
    path = tmp_path / "Tone_000/040_Violin.pat"
    write_patch(path, sine())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged patch"):
        Sampler(tmp_path)
    path.write_bytes(b"RIFF" * 100)
    with pytest.raises(InputError, match="GF1PATCH11"):
        Sampler(tmp_path)


def test_a_further_font_plays_what_the_unseen_one_does_not_hold(tmp_path):
    write_patch(tmp_path / "mine/Tone_000/040_Violin.pat", sine())
    write_bank(tmp_path / "trained.sf2", [tone(440.0)], [{}], program=40)
    trained = Soundfont("trained", tmp_path / "trained.sf2")
    further = Soundfont("mine", tmp_path / "mine", "further")
    alone = MiniMusic((trained, further), 8_000)
    assert [font.name for font, _ in alone.sources("train", VIOLIN)][-1] == "mine"
    unseen = Soundfont("unseen", tmp_path / "mine", "unseen")
    beside = MiniMusic((trained, further, unseen), 8_000)
    assert all(font.name != "mine" for font, _ in beside.sources("train", VIOLIN))
    assert alone.fingerprint() != beside.fingerprint()
