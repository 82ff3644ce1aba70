"""The command as its users call it: exit status, messages, files, nothing half-written."""

import contextlib
import errno
import io
import os
import sys
import warnings

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from mars_lib import waveform
from mars_lib.cli import app
from mars_lib.inference import files, system


def mars(*arguments):
    """Run `mars` in this process: (exit status, stdout, stderr)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["mars", *map(str, arguments)])
        out, err = io.StringIO(), io.StringIO()
        status = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                app.main()
            except SystemExit as stop:
                status = stop.code or 0
    return status, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("rate", "channels", "suffix"), [(16_000, 1, "wav"), (44_100, 2, "flac"), (8_000, 6, "wav")]
)
def test_separate_keeps_rate_channels_and_length(sound_file, tmp_path, rate, channels, suffix):
    source = sound_file("mix.wav", seconds=1.3, rate=rate, channels=channels)
    target = tmp_path / "new folder" / f"out.{suffix}"
    status, out, err = mars("separate", source, "--text", "violin", "-o", target, "--quiet")
    assert status == 0, err
    before, after = soundfile.info(source), soundfile.info(target)
    assert (after.samplerate, after.channels, after.frames) == (rate, channels, before.frames)
    assert str(target) in out


def test_all_modalities_weights_and_negatives(sound_file, tmp_path):
    source, reference = sound_file("mix.wav"), sound_file("like_this.wav")
    picture = tmp_path / "like_this.png"
    Image.new("L", (50, 90)).save(picture)
    status, _, err = mars(
        "separate",
        source,
        "-o",
        tmp_path / "out.wav",
        "--quiet",
        "--text",
        "harp",
        "--audio",
        reference,
        "--image",
        picture,
        "--image-weight",
        "0.2",
        "--negative-text",
        "piano",
        "--negative-audio",
        reference,
        "--negative-image",
        picture,
        "--negative-strength",
        "0.3",
    )
    assert status == 0, err


def test_several_texts_give_several_files(sound_file, tmp_path):
    status, out, _ = mars(
        "separate",
        sound_file(),
        "--text",
        "violin",
        "--text",
        "drum kit",
        "-o",
        tmp_path / "out.wav",
        "--quiet",
    )
    assert status == 0 and len(out.splitlines()) == 2
    assert (tmp_path / "out-violin.wav").is_file() and (tmp_path / "out-drum_kit.wav").is_file()


def test_texts_that_are_no_names_or_the_same_one(sound_file, tmp_path):
    texts = [
        word
        for text in ("drum kit", "drum_kit", "Drum Kit", "a/b..", "é" * 300)
        for word in ("--text", text)
    ]
    status, out, err = mars("separate", sound_file(), *texts, "-o", tmp_path / "out.wav", "--quiet")
    assert status == 0, err
    stems = ["drum_kit", "drum_kit-2", "Drum_Kit-3", "a_b", "é" * 32]
    assert out.splitlines() == [str(tmp_path / f"out-{stem}.wav") for stem in stems]
    assert all(soundfile.info(line).frames == 16_000 for line in out.splitlines())


def test_no_input_is_written_over_also_through_links(sound_file, tmp_path, monkeypatch):
    monkeypatch.setattr(system, "load", lambda *_: pytest.fail("refused too late"))
    source, reference = sound_file("mix.wav"), sound_file("like_this.wav")
    (tmp_path / "link.wav").symlink_to(source)
    (tmp_path / "hard.wav").hardlink_to(reference)
    before = source.read_bytes(), reference.read_bytes()
    for option, output in (
        ("--audio", "like_this.wav"),
        ("--negative-audio", "hard.wav"),
        ("--image", "link.wav"),
    ):
        status, _, err = mars(
            "separate", source, option, reference, "-o", tmp_path / output, "--quiet"
        )
        assert status == 1 and f"{output}: is input and output at once" in err
    assert (source.read_bytes(), reference.read_bytes()) == before


@pytest.mark.parametrize(
    ("rate", "channels", "output", "says"),
    [
        (96_000, 1, "o.mp3", "cannot hold 1 channel(s) at 96000 Hz"),
        (16_000, 9, "o.flac", "cannot hold 9 channel(s)"),
        (16_000, 256, "o.ogg", "cannot hold 256 channel(s)"),
        (16_000, 1, "o.raw", "cannot hold 1 channel(s)"),
        (16_000, 1, "large.aiff", "larger than the 4 GiB that AIFF holds"),
    ],
)
def test_what_a_format_cannot_hold_is_said_first(
    sound_file, tmp_path, monkeypatch, rate, channels, output, says
):
    monkeypatch.setattr(system, "load", lambda *_: pytest.fail("refused too late"))
    if output == "large.aiff":
        monkeypatch.setattr(waveform, "LARGEST", 1_000)
    source = sound_file(rate=rate, channels=channels, seconds=0.1)
    status, _, err = mars("separate", source, "--text", "harp", "-o", tmp_path / output, "--quiet")
    assert (
        status == 1
        and f"{output}: {'would be' if 'larger' in says else ''}" in err
        and says in err
        and "end it in .wav" in err
    )


def test_above_4_gib_a_wav_is_rf64(shipped, sound_file, tmp_path, monkeypatch):
    monkeypatch.setattr(waveform, "LARGEST", 1_000)
    target = tmp_path / "o.wav"
    files.separate_file(
        shipped.separator, sound_file(), [target], torch.ones(1, 256), progress=False
    )
    assert (soundfile.info(target).format, soundfile.info(target).frames) == ("RF64", 16_000)


@pytest.mark.parametrize(
    ("rate", "frames"), [(44_100, 20_003), (22_050, 20_011), (192_000, 50_005)]
)
def test_odd_lengths_come_back_whole(shipped, sound_file, tmp_path, rate, frames):
    wave = 0.1 * np.sin(np.arange(frames) * 2 * np.pi * 440 / rate)[:, None]
    source, target = sound_file(rate=rate, samples=wave), tmp_path / "o.wav"
    files.separate_file(shipped.separator, source, [target], torch.ones(1, 256), progress=False)
    assert soundfile.info(target).frames == frames


def test_above_full_scale_nothing_is_clipped_and_all_get_one_gain(shipped, sound_file, tmp_path):
    wave = 0.1 * np.random.default_rng(0).standard_normal((20_000, 1))
    queries = torch.cat([shipped.query(text=word)[None] for word in ("violin", "drum kit")])
    outputs = {}
    for name, gain in (("quiet", 1), ("loud", 40)):
        targets = [tmp_path / f"{name}{n}.wav" for n in range(2)]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            source = sound_file(f"{name}.wav", samples=gain * wave)
            files.separate_file(shipped.separator, source, targets, queries, progress=False)
        assert ["above full scale" in str(w.message) for w in said] == [True] * (gain > 1)
        outputs[name] = np.stack([soundfile.read(target)[0] for target in targets])
    gain = (outputs["loud"] * outputs["quiet"]).sum() / (outputs["quiet"] ** 2).sum()
    assert 1 < gain < 40 and np.abs(outputs["loud"]).max() == pytest.approx(1, abs=1e-3)
    for loud, quiet in zip(outputs["loud"], outputs["quiet"]):
        assert np.mean((loud - gain * quiet) ** 2) < 1e-5 * np.mean(loud**2)


def test_names_that_the_terminal_cannot_show(sound_file, tmp_path, monkeypatch):
    source = sound_file().rename(tmp_path / "mix\udcff \u2669.wav")
    target = tmp_path / "out\udcff \u2669.wav"
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(
        sys, "argv", ["mars", "separate", str(source), "--text", "harp", "-o", str(target)]
    )
    with (
        contextlib.redirect_stdout(terminal),
        contextlib.redirect_stderr(terminal),
        contextlib.suppress(SystemExit),
    ):
        app.main()
    terminal.flush()
    assert b"out\\udcff \\u2669.wav" in terminal.buffer.getvalue()
    assert soundfile.info(os.fsencode(target)).frames == 16_000


def test_unknown_word_warns_and_goes_on(sound_file, tmp_path):
    target = tmp_path / "out.wav"
    status, _, err = mars("separate", sound_file(), "--text", "kazoo", "-o", target, "--quiet")
    assert status == 0 and "kazoo" in err and "nearest" in err and target.is_file()


def bad_inputs(tmp_path, sound_file):
    """(name, arguments after `separate`, what stderr must say)."""
    good = sound_file("good.wav")
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "note.png").write_text("no picture")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    (tmp_path / "cut.safetensors").write_bytes(b"\x40\0\0\0\0\0\0\0{")
    torch.save({}, tmp_path / "pickle.pt")
    (tmp_path / "folder.wav").mkdir()
    out = ["-o", tmp_path / "out.wav"]
    ask = ["--text", "violin"]
    return {
        "no sound": ([tmp_path / "text.wav", *ask, *out], "cannot be read as sound"),
        "empty": ([tmp_path / "empty.wav", *ask, *out], "cannot be read as sound"),
        "missing": ([tmp_path / "none.wav", *ask, *out], "is not there"),
        "NaN": ([sound_file("nan.wav", samples=np.full((9_000, 1), np.nan)), *ask, *out], "NaN"),
        "short": ([sound_file("short.wav", seconds=0.02), *ask, *out], "one STFT window"),
        "no query": ([good, *out], "give text, audio or image"),
        "no picture": ([good, "--image", tmp_path / "note.png", *out], "as a picture"),
        "1x1": ([good, "--image", tmp_path / "dot.png", *out], "1 x 1 pixels"),
        "truncated": (
            [good, *ask, *out, "--checkpoint", tmp_path / "cut.safetensors"],
            "truncated",
        ),
        "pickle": ([good, *ask, *out, "--checkpoint", tmp_path / "pickle.pt"], "is a pickle"),
        "output folder": ([good, *ask, "-o", tmp_path / "folder.wav"], "is a folder"),
        "output suffix": ([good, *ask, "-o", tmp_path / "out.xyz"], "suffix"),
        "same file": ([good, *ask, "-o", good], "input and output"),
        "device": ([good, *ask, *out, "--device", "toaster"], "use cpu, cuda"),
        "weights": ([good, *ask, *out, "--text-weight", "7"], "from 0 to 1"),
    }


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, sound_file):
    cases = bad_inputs(tmp_path, sound_file)
    before = set(tmp_path.rglob("*"))
    for name, (arguments, says) in cases.items():
        status, _, err = mars("separate", *arguments, "--quiet")
        assert status == 1, name
        assert says in err and "Traceback" not in err, (name, err)
        assert set(tmp_path.rglob("*")) == before, name


def test_cuda_that_is_not_there(sound_file, tmp_path):
    if not torch.cuda.is_available():
        status, _, err = mars(
            "separate", sound_file(), "--text", "harp", "-o", tmp_path / "o.wav", "--device", "cuda"
        )
        assert status == 1 and "cuda is not there" in err


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(sound_file, tmp_path, monkeypatch):
    source, target = sound_file(), tmp_path / "out" / "o.wav"

    def full(writer, samples, room):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_write", full)
    status, _, err = mars("separate", source, "--text", "harp", "-o", target, "--quiet")
    assert status == 1 and "disk is full" in err and list(target.parent.iterdir()) == []


def test_silence_is_said_and_stays(sound_file, tmp_path):
    source = sound_file("silent.wav", samples=np.zeros((20_000, 1)))
    status, out, err = mars(
        "separate", source, "--text", "harp", "-o", tmp_path / "o.wav", "--quiet"
    )
    assert status == 0 and "silent" in out + err
    assert not soundfile.read(tmp_path / "o.wav")[0].any()


def test_memory_does_not_grow_with_the_file(shipped, sound_file, tmp_path):
    """The largest array that is written at once depends on the blocks, not on the file."""
    source, sizes = sound_file(seconds=100, rate=16_000), []
    query = shipped.query(text="violin")[None]
    original = files._write

    def spy(writer, samples, room):
        sizes.append(len(samples))
        return original(writer, samples, room)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_write", spy)
        files.separate_file(shipped.separator, source, [tmp_path / "o.wav"], query, progress=False)
    assert max(sizes) < 10 * 16_000 * 2 and sum(sizes) >= 100 * 16_000
