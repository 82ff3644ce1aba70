"""Preparing videos: what is wrong, missing or interrupted."""

import errno
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from mars_lib.check import InputError
from mars_lib.cli import app
from mars_lib.data.csv_music import read_rows
from mars_lib.data.videos import decode, downloads, prepare
from tests.data.films import SECONDS, run

pytest.importorskip("av")


@pytest.mark.parametrize("at", ["picture", "sound"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_full_disk_or_ctrl_c_in_the_middle_leaves_nothing_half_written(
    films, tmp_path, monkeypatch, at, error
):
    out, calls = tmp_path / "out", []
    real = {"picture": Path.write_bytes, "sound": prepare.wave.Wave_write.writeframes}

    def third(self, *args):
        calls.append(1)
        if len(calls) == 5:
            raise error
        return real[at](self, *args)

    if at == "picture":
        monkeypatch.setattr(Path, "write_bytes", third)
    else:
        monkeypatch.setattr(prepare.wave.Wave_write, "writeframes", third)
    with pytest.raises(
        (InputError, KeyboardInterrupt),
        match="disk is full" if isinstance(error, OSError) else None,
    ):
        run(films, out)
    monkeypatch.undo()
    made = len(list((out / "audio").rglob("*.wav")))
    assert made == (1 if at == "picture" else 4)
    assert not list(out.rglob(".*")) and not (out / "train.csv").exists()
    assert len(list((out / "frames").rglob("*.jpg"))) == made * SECONDS
    report = run(films, out)
    assert (report.made, report.kept) == (6 - made, made)


def test_wrong_folders_tables_and_lists(films, tmp_path):
    table = tmp_path / "vggsound.csv"
    table.write_text("abcdefghijk,30,bird\n")
    (tmp_path / "empty.txt").write_text("\n")
    cases = [
        (["data", "prepare-music", tmp_path / "nowhere"], "holds no class"),
        (["data", "prepare-music", films, "--test-list", tmp_path / "none.csv"], "cannot be read"),
        (["data", "prepare-music", films, "--test-list", tmp_path / "empty.txt"], "names no video"),
        (
            ["data", "prepare-music", films, "--list", tmp_path / "train.csv"],
            "--test-list or --val-list",
        ),
        (["data", "prepare-music", films, "--shortest", 0], "shortest: is 0"),
        (["data", "prepare-vggsound", tmp_path / "nowhere", "--table", table], "is no folder"),
        (["data", "prepare-vggsound", tmp_path, "--table", table], "line 1: has 3 columns"),
    ]
    for command, says in cases:
        result = CliRunner().invoke(
            app.app, [str(word) for word in (*command, "--out", tmp_path / "out")]
        )
        assert result.exit_code == 1 and says in str(result.exception), (command, result.exception)
    table.write_text("abcdefghijk,half,bird,train\n")
    with pytest.raises(InputError, match="'half' as start"):
        downloads.vggsound(tmp_path, table)
    table.write_text("abcdefghijk,30,bird,train\n")
    with pytest.raises(InputError, match="holds none of the clips"):
        downloads.vggsound(tmp_path, table)
    assert not (tmp_path / "out").exists()


def test_what_is_no_file_or_has_no_name_in_utf8_is_skipped_and_the_rest_is_made(tmp_path):
    """A pipe would be waited for; no CSV holds names of other bytes; hidden folders are none."""
    wave = 0.1 * np.random.default_rng(0).standard_normal(3 * decode.RATE)
    for name in ("door/take.wav", "kettle/take.wav", ".ipynb_checkpoints/take.wav"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        soundfile.write(tmp_path / "in" / name, wave, decode.RATE)
    sound = (tmp_path / "in/door/take.wav").read_bytes()
    os.mkfifo(tmp_path / "in" / "door" / "pipe.mp4")
    latin = [os.fsdecode(name) for name in (b"door/caf\xe9.wav", b"t\xfcr/take.wav")]
    for name in latin:
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(sound)
    sources, skipped = downloads.music(tmp_path / "in")
    assert [source.name for source in sources] == ["door/take", "kettle/take"]
    assert skipped[str(tmp_path / "in/door/pipe.mp4")] == "is no file"
    assert all(
        "not UTF-8" in skipped[str(tmp_path / "in" / name)]
        for name in (latin[0], os.path.dirname(latin[1]))
    )
    report = run(tmp_path / "in", tmp_path / "out")
    assert (
        report.made == 2
        and len(json.loads((tmp_path / "out/report.json").read_text())["skipped"]) == 3
    )
    assert (
        sum(len(read_rows(tmp_path / f"out/{name}.csv")) for name in ("train", "val", "test")) == 2
    )


def test_two_lists_of_one_name_are_refused_before_anything_is_read(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.csv").write_text("abcdefghijk\n")
    lists = ["--list", tmp_path / "a/x.csv", "--list", tmp_path / "b/x.csv"]
    command = ["data", "prepare-music", tmp_path / "nowhere", "--out", tmp_path / "out", *lists]
    result = CliRunner().invoke(app.app, [str(word) for word in command])
    assert result.exit_code == 1 and "b/x.csv: would be x.csv, and so would " in str(
        result.exception
    )


def test_without_pyav_the_remedy_is_named(films, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        InputError, match=r"PyAV: is not installed; pip install 'mars-lib\[video\]'"
    ):
        run(films, tmp_path / "out")


@pytest.mark.parametrize("command", ["prepare", "prepare-music", "prepare-vggsound"])
def test_help(command):
    result = CliRunner().invoke(app.app, ["data", command, "--help"])
    assert result.exit_code == 0 and "Usage" in result.output
