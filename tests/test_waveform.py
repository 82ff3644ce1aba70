import errno
import os
import signal
import time

import numpy as np
import pytest
import soundfile
import torch

from mars_lib import waveform
from mars_lib.check import InputError
from mars_lib.io import atomic


def test_mixture_is_the_sum_of_its_references(generator):
    sources = torch.randn(3, 2, 100, generator=generator)
    gains = torch.rand(3, 2, generator=generator) + 0.5
    mixture, references = waveform.mix(sources, gains)
    assert torch.equal(mixture, references.sum(dim=1))
    assert torch.allclose(references[1, 0], sources[1, 0] * gains[1, 0] / 2)


def test_files_come_back_as_they_were_written(tmp_path, generator):
    written = 0.5 * torch.rand(2, 4_410, generator=generator)
    waveform.save(tmp_path / "new" / "a.wav", written, 44_100)
    read, rate = waveform.load(tmp_path / "new" / "a.wav")
    assert rate == 44_100 and read.shape == written.shape
    assert (read - written).abs().max() < 1 / 32_000


def test_a_peak_above_one_is_scaled_not_clipped(tmp_path):
    tone = 2 * torch.sin(torch.arange(8_000) * 0.05)
    with pytest.warns(UserWarning, match="peak of 2 is above full scale: written 6.0 dB quieter"):
        waveform.save(tmp_path / "loud.flac", tone, 16_000)
    read, _ = waveform.load(tmp_path / "loud.flac")
    assert torch.corrcoef(torch.stack([read[0], tone]))[0, 1] > 0.99999


def test_minutes_of_ogg_are_written(tmp_path):
    """libsndfile's encoder crashes on three million samples at once."""
    waveform.save(tmp_path / "long.ogg", torch.zeros(3_000_000), 16_000)
    assert soundfile.info(tmp_path / "long.ogg").frames == 3_000_000


def test_channels_that_cancel_each_other_are_no_silence(generator):
    left, right = torch.randn(2, 1_000, generator=generator)
    for both in (
        torch.stack([left, right]),
        torch.stack([left, left]),
        torch.stack([left, 0 * left]),
    ):
        assert torch.allclose(waveform.mono(both), both.mean(dim=0), atol=1e-6)
    assert torch.equal(waveform.mono(torch.stack([left, -0.9 * left])), left)
    assert not waveform.mono(torch.zeros(2, 10)).any()


def test_resampling_keeps_a_tone_and_its_length():
    rate, new = 44_100, 16_000
    tone = torch.sin(2 * np.pi * 440 * torch.arange(rate) / rate)[None]
    out = waveform.resample(tone, rate, new)
    expected = torch.sin(2 * np.pi * 440 * torch.arange(new) / new)
    assert out.shape == (1, new)
    assert (out[0, 500:-500] - expected[500:-500]).abs().max() < 1e-3


def test_fit_length_cuts_and_repeats():
    x = torch.arange(3.0)
    assert waveform.fit_length(x, 2).tolist() == [0, 1]
    assert waveform.fit_length(x, 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    with pytest.raises(InputError, match="no samples"):
        waveform.fit_length(torch.zeros(0), 4)


def test_match_level_leaves_silence_silent():
    assert waveform.match_level(torch.zeros(10)).abs().max() == 0
    assert (
        waveform.rms(waveform.match_level(torch.randn(2, 500)))
        .flatten()
        .allclose(torch.full((2,), 0.1))
    )


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("text.wav", b"this is no sound at all, whatever its name says", "cannot be read as sound"),
        ("empty.wav", b"", "cannot be read as sound"),
    ],
)
def test_what_is_no_sound_is_named(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=problem) as error:
        waveform.load(tmp_path / name)
    assert name in str(error.value) and "convert it" in str(error.value)


def test_missing_folder_nan_and_no_samples(tmp_path, sound_file):
    with pytest.raises(InputError, match="is not there"):
        waveform.load(tmp_path / "nothing.wav")
    with pytest.raises(InputError, match="is a folder"):
        waveform.load(tmp_path)
    with pytest.raises(InputError, match="holds no samples"):
        waveform.load(sound_file("none.wav", samples=np.zeros((0, 1))))
    with pytest.raises(InputError, match="NaN"):
        waveform.load(sound_file("nan.wav", samples=np.full((100, 1), np.nan)))


def test_unknown_suffix_and_folder_as_output(tmp_path):
    with pytest.raises(InputError, match="suffix"):
        waveform.save(tmp_path / "a.xyz", torch.zeros(10), 16_000)
    (tmp_path / "b.wav").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        waveform.save(tmp_path / "b.wav", torch.zeros(10), 16_000)


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    target = tmp_path / "x.json"
    target.write_text("old")
    with pytest.raises(InputError, match="disk is full"), atomic.writing(target) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_file_keeps_its_mode_and_a_link_its_file(tmp_path):
    target, link = tmp_path / "x.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    atomic.write_text(link, "new")
    assert (
        link.is_symlink() and target.read_text() == "new" and target.stat().st_mode & 0o777 == 0o640
    )


def test_the_next_run_removes_what_a_killed_one_left(tmp_path):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with atomic.writing(tmp_path / "x.json") as temporary:
            temporary.write_text("half")
            os.write(writing, b".")
            time.sleep(60)
    os.read(reading, 1)
    foreign = tmp_path / ".mars-another machine-1-abcdefgh.json"
    foreign.touch()
    try:
        # Its process lives: nothing is removed.
        atomic._remove_stale.cache_clear()
        atomic.write_text(tmp_path / "y.json", "text")
        assert len(list(tmp_path.iterdir())) == 3
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    atomic._remove_stale.cache_clear()
    atomic.write_text(tmp_path / "y.json", "text")
    assert {path.name for path in tmp_path.iterdir()} == {"y.json", foreign.name}


def test_a_name_that_is_too_long_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        atomic.write_text(tmp_path / f"{'x' * 300}.json", "text")


def test_a_parent_that_is_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        atomic.write_text(tmp_path / "file" / "x.txt", "text")


def test_a_device_stays_a_device_and_a_link_a_link(tmp_path):
    """As root, a rename would replace /dev/stdout for everybody."""
    for name in ("null", "full"):
        (tmp_path / name).symlink_to(f"/dev/{name}")  # so that a rename here would do no harm
    atomic.write_json(tmp_path / "null", {})
    assert (tmp_path / "null").is_char_device()
    (tmp_path / "there").mkdir()
    (tmp_path / "link.json").symlink_to("there/x.json")
    for text in ("new", "newer"):
        atomic.write_text(tmp_path / "link.json", text)
    assert (tmp_path / "link.json").is_symlink() and (
        tmp_path / "there" / "x.json"
    ).read_text() == "newer"
    with pytest.raises(InputError, match="full: does not fit: the disk is full"):
        atomic.write_text(tmp_path / "full", "text")
