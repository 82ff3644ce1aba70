"""Sound files as the world writes them: without a length, joined, cut, damaged. Each test makes its
own.
"""

import io
import sys
import warnings

import numpy as np
import pytest
import soundfile
import torch

from mars_lib import waveform
from mars_lib.check import InputError
from mars_lib.inference.files import separate_file
from mars_lib.io import sound_file

pytest.importorskip("av")
RATE, SECONDS = 22_050, 4


def encoded(kind, **options):
    """Two seconds of a tone, then noise, so that a variable rate varies."""
    time = np.arange(SECONDS * RATE) / RATE
    noise = np.random.default_rng(0).standard_normal(len(time))
    wave = np.where(time < 2, 0.3 * np.sin(2 * np.pi * 440 * time), 0.1 * noise)
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, format=kind, **options)
    return file.getvalue()


def without_length(data):
    """An MP3 whose first frame, the one with the length, is cut off."""
    starts = [i for i in range(len(data)) if data[i : i + 2] == data[:2]]
    return data[starts[1] :]


def flipped(data, places):
    data = bytearray(data)
    for place in places:
        data[int(place * len(data))] ^= 0x10
    return bytes(data)


@pytest.fixture(scope="module")
def files():
    """Bytes by name."""
    mp3 = encoded("MP3", bitrate_mode="VARIABLE", compression_level=0.3)
    ogg, flac, wav = (encoded(kind) for kind in ("OGG", "FLAC", "WAV"))
    unknown = bytearray(flac)
    unknown[21] &= 0xF0
    unknown[22:26] = bytes(4)
    crashed = bytearray(wav)
    crashed[4:8] = crashed[40:44] = bytes(4)
    stream = bytearray(wav)
    stream[4:8] = stream[40:44] = b"\xff" * 4
    aiff = encoded("AIFF")
    return {
        "no-length.mp3": without_length(mp3),
        "unknown.flac": bytes(unknown),
        "crashed.wav": bytes(crashed),
        "stream.wav": bytes(stream),
        "joined.mp3": 2 * mp3,
        "joined.ogg": 2 * ogg,
        "joined.flac": 2 * flac,
        "joined.wav": 2 * wav,
        "whole.mp3": mp3,
        "cut.mp3": mp3[: len(mp3) // 2],
        "cut.ogg": ogg[: len(ogg) // 2],
        "cut.flac": flac[: len(flac) // 2],
        "cut.wav": wav[: len(wav) // 2],
        "cut.aiff": aiff[: len(aiff) // 2],
        "damaged.flac": flipped(flac, [0.6]),
        "damaged.mp3": mp3[:9_000] + bytes(3_000) + mp3[12_000:],
        "joined.aiff": 2 * aiff,
    }


@pytest.fixture
def put(files, tmp_path):
    def put(name):
        (tmp_path / name).write_bytes(files[name])
        return tmp_path / name

    return put


@pytest.fixture
def no_pyav(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)


def read(path):
    """(seconds, what was said)."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        samples, rate = waveform.load(path)
    assert rate == RATE and samples.shape[0] == 1
    return samples.shape[1] / RATE, " ".join(str(w.message) for w in said)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("whole.mp3", SECONDS),
        ("no-length.mp3", SECONDS),
        ("unknown.flac", SECONDS),
        ("crashed.wav", SECONDS),
        ("stream.wav", SECONDS),
        ("joined.mp3", 2 * SECONDS),
        ("joined.ogg", 2 * SECONDS),
        ("joined.flac", 2 * SECONDS),
        ("joined.wav", 2 * SECONDS),
    ],
)
def test_the_whole_sound_is_read_whatever_the_header_says(put, name, seconds):
    found, said = read(put(name))
    assert found == pytest.approx(seconds, abs=0.15) and said == ""


@pytest.mark.parametrize(
    "name", ["cut.mp3", "cut.ogg", "cut.flac", "cut.wav", "cut.aiff", "damaged.flac", "damaged.mp3"]
)
def test_what_is_there_is_read_and_what_is_lost_is_said(put, name):
    seconds, said = read(put(name))
    assert 1 < seconds < SECONDS - 0.1
    assert f"{name}: is cut or damaged: only {seconds:.2f} s" in said


def test_bytes_beyond_the_end_are_said(put):
    seconds, said = read(put("joined.aiff"))
    assert seconds == SECONDS and "joined.aiff: is cut or damaged: only 4.00 s" in said


def test_what_pyav_decodes_is_what_libsndfile_decodes(put, tmp_path):
    """Also in blocks that are shorter than its packets."""
    (tmp_path / "whole.flac").write_bytes(encoded("FLAC"))
    for path, near in ((tmp_path / "whole.flac", 0), (put("whole.mp3"), 1e-5)):
        sound = sound_file.open_sound(path)
        blocks = list(sound.blocks(1_000))
        assert sound.by_pyav and {len(block) for block in blocks[:-1]} == {1_000}
        expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
        assert np.abs(np.concatenate(blocks) - expected).max() <= near


@pytest.mark.parametrize("name", ["no-length.mp3", "unknown.flac", "cut.flac", "joined.wav"])
def test_without_pyav_one_line_names_it(put, no_pyav, name):
    with pytest.raises(
        InputError, match=rf"{name}: .*; pip install 'mars-lib\[video\]', or convert it to WAV"
    ):
        waveform.load(put(name))


@pytest.mark.parametrize("name", ["joined.mp3", "joined.ogg", "joined.flac"])
def test_without_pyav_what_is_not_read_is_said(put, no_pyav, name):
    seconds, said = read(put(name))
    assert (
        seconds == pytest.approx(SECONDS, abs=0.15)
        and f"{name}: goes on for" in said
        and "mars-lib[video]" in said
    )


def test_a_change_of_rate_is_named(tmp_path):
    other = io.BytesIO()
    soundfile.write(other, 0.1 * np.ones((16_000, 2)), 16_000, format="MP3")
    (tmp_path / "two.mp3").write_bytes(encoded("MP3") + other.getvalue())
    with pytest.raises(InputError, match="two.mp3: changes its rate, channels or bits"):
        waveform.load(tmp_path / "two.mp3")


@pytest.mark.parametrize("name", ["photo.mp3", "photo.flac"])
def test_what_is_no_sound_stays_one(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8)
    (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0" + noise.tobytes())
    with pytest.raises(InputError, match="cannot be read as sound"):
        sound_file.open_sound(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "seconds"), [("unknown.flac", SECONDS), ("joined.ogg", 2 * SECONDS)]
)
def test_the_whole_sound_is_separated_and_is_a_query(shipped, put, tmp_path, name, seconds):
    source, target = put(name), tmp_path / "o.flac"
    query = shipped.query(audio=source)[None]
    separate_file(shipped.separator, source, [target], query, progress=False)
    assert soundfile.info(target).duration == pytest.approx(seconds, abs=0.15)


def test_names_outside_any_encoding(tmp_path, files):
    path = tmp_path / "na\udcffme: 1.flac"
    path.write_bytes(files["joined.flac"])
    assert read(path)[0] == 2 * SECONDS
    waveform.save(path.with_suffix(".wav"), torch.zeros(100), RATE)
    assert soundfile.info(path.with_suffix(".wav").open("rb")).frames == 100


def test_only_the_beginning_of_hours_or_of_many_channels_is_read(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "long.wav", 0.1 * np.ones((3 * 8_000, 2)), 8_000)
    with pytest.warns(UserWarning, match="only its first 1.5 s are used"):
        assert waveform.load(tmp_path / "long.wav", longest=1.5)[0].shape == (2, 12_000)
    monkeypatch.setattr(waveform, "MOST", 16_000)
    with pytest.warns(UserWarning, match="only its first 1.0 s are used"):
        assert waveform.load(tmp_path / "long.wav", longest=2)[0].shape == (2, 8_000)
