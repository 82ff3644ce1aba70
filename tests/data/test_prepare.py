"""From mp4 files, which the tests encode, to CSVs and a training on them."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

from mars_lib import config
from mars_lib.cli import app
from mars_lib.data.csv_music import CsvMusic, read_rows
from mars_lib.data.videos import decode, downloads, prepare
from mars_lib.training import supervised
from tests.data.films import draw, encode, files, play, problem, run

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def prepared(films, tmp_path_factory):
    """The films prepared by the command, in two processes."""
    out = tmp_path_factory.mktemp("out") / "music"
    for name, i in (("val", 1), ("test", 2)):
        (out.parent / f"{name}.txt").write_text(f"trumpxxxxx{i}\nfrencxxxxx{i}\n")
    lists = ["--val-list", out.parent / "val.txt", "--test-list", out.parent / "test.txt"]
    command = [
        "data",
        "prepare-music",
        films,
        "--out",
        out,
        *lists,
        "--shortest",
        2,
        "--workers",
        2,
    ]
    result = CliRunner().invoke(app.app, [str(word) for word in command])
    assert result.exit_code == 0, result.output
    return out, result.output


def test_sound_is_what_was_played(prepared):
    out, _ = prepared
    path = out / "audio/french_horn/frencxxxxx0.wav"
    about = soundfile.info(path)
    assert (about.samplerate, about.channels, about.subtype, about.format) == (
        16_000,
        1,
        "PCM_16",
        "WAV",
    )
    wave, played = soundfile.read(path)[0], play("french horn", 0)
    assert 0 <= len(wave) - len(played) < 2_048
    # AAC keeps a horn; an offset or another rate would not.
    assert np.corrcoef(wave[: len(played)], played)[0, 1] > 0.95


def test_every_second_has_its_picture(prepared):
    out, _ = prepared
    shown = sorted((out / "frames/trumpet/trumpxxxxx0").iterdir())
    assert [p.name for p in shown] == ["000001.jpg", "000002.jpg", "000003.jpg"]
    for number, path in enumerate(shown):
        found = np.asarray(Image.open(path)).astype(float)
        assert found.shape == (224, 224, 3)
        distances = [np.abs(found - drawn).mean() for drawn in draw("trumpet")]
        assert np.argmin(distances) == number and distances[number] < 8


def test_csvs_follow_the_lists_and_the_report_says_so(prepared):
    out, said = prepared
    for name, i in (("train", 0), ("val", 1), ("test", 2)):
        rows = list(csv.reader((out / f"{name}.csv").open()))
        assert rows == [
            [f"audio/{kind}/{kind[:5]:x<10}{i}.wav", f"frames/{kind}/{kind[:5]:x<10}{i}", "3", kind]
            for kind in ("french_horn", "trumpet")
        ]
    report = json.loads((out / "report.json").read_text())
    assert (report["made"], report["kept"], report["skipped"]) == (6, 0, {})
    assert "6 made, 0 there already, 0 skipped" in said and "train.csv: 2 rows, 2 classes" in said


def test_a_separator_trains_on_what_was_prepared(prepared, minibind, tmp_path):
    settings = config.smoke()
    training = replace(
        settings.training, steps=2, validate_every=2, queries_per_class=2, validation_mixtures=2
    )
    settings = replace(settings, signal=replace(settings.signal, length=8_191), training=training)
    music = CsvMusic(prepared[0], settings.signal.length)
    best = supervised.train_supervised(
        settings, music, minibind, tmp_path, accelerator="cpu", progress=False
    )
    assert best.is_file()


def test_a_second_run_makes_only_what_is_missing(films, prepared, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(prepared[0], out)
    before = files(out / "audio") | files(out / "frames")
    report = run(films, out)
    assert (report.made, report.kept) == (0, 6)
    assert files(out / "audio") | files(out / "frames") == before
    (out / "audio/trumpet/trumpxxxxx1.wav").unlink()
    (out / "frames/french_horn/frencxxxxx2/000002.jpg").unlink()
    report = run(films, out)
    assert (report.made, report.kept) == (2, 4)
    after = files(out / "audio") | files(out / "frames")
    touched = {
        p.stem if p.suffix == ".wav" else p.parent.name for p in after if after[p] != before[p]
    }
    assert after.keys() == before.keys() and touched == {"trumpxxxxx1", "frencxxxxx2"}


def test_without_lists_a_hash_of_the_id_decides(tmp_path):
    sources = [
        downloads.Source(Path(f"{i:011}_{start:06}.mp4"), "", "")
        for i in range(2_000)
        for start in (0, 30)
    ]
    splits = [prepare._splits(source, {}, {"val", "test"}) for source in sources]
    # Both clips of a video are in one split.
    assert splits[::2] == splits[1::2] and all(len(names) == 1 for names in splits)
    shares = {name: splits.count([name]) / len(splits) for name in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.02)


def test_vggsound_by_its_table_and_the_benchmark_lists(tmp_path):
    folder, table = tmp_path / "clips", tmp_path / "vggsound.csv"
    ids = [f"{name:_<11}" for name in ("walk", "bees", "more", "held", "good", "gone")]
    for youtube in ids[:5]:
        encode(folder / f"{youtube}_000030.mp4", draw("bird"), play("bird"))
    encode(folder / "else_______000000.mp4", draw("bird"), play("bird"))
    labels = ['"bee, wasp, etc. buzzing"' if name == ids[1] else "bird chirping" for name in ids]
    splits = ["test" if name in ids[3:] else "train" for name in ids]
    table.write_text(
        "".join(f"{i},30,{label},{split}\n" for i, label, split in zip(ids, labels, splits))
    )
    found = downloads.vggsound(folder, table)
    report = prepare.prepare(found, tmp_path / "a", {}, shortest=2, progress=False)
    assert report.made == 5 and report.csv["test"]["rows"] == 2
    assert list(report.skipped.values()) == [
        "is in the table and not in the folder",
        "is in the folder and not in the table",
    ]
    labels = {
        row.label for name in ("train", "val") for row in read_rows(tmp_path / f"a/{name}.csv")
    }
    assert labels == {"bee, wasp, etc. buzzing", "bird chirping"}
    good = tmp_path / "test-good.csv"
    good.write_text(
        f"data/vggsound/audio/g/o/{ids[4]}.wav,data/x,12,bird\n"
        f"/vggsound/{ids[5]}_000030.wav,/vggsound/x,12,bird\n"
    )
    (tmp_path / "test.csv").write_text(good.read_text())
    lists = {"test": tmp_path / "test.csv", "test-good": good}
    report = prepare.prepare(found, tmp_path / "a", lists, shortest=2, progress=False)
    assert (report.made, report.kept) == (0, 5)
    for name in lists:
        assert [row.audio.stem for row in read_rows(tmp_path / f"a/{name}.csv")] == [
            f"{ids[4]}_000030"
        ]
        assert report.csv[name]["missing"] == [ids[5]]
    # The table holds it out, and the list does not name it: neither tested nor trained on.
    rows = [row for name in ("train", "val") for row in read_rows(tmp_path / f"a/{name}.csv")]
    assert sorted(row.audio.stem[:4] for row in rows) == ["bees", "more", "walk"]
    assert "test-good.csv: 1 rows, 1 classes, 1 of its list missing" in report.table()


def test_bad_films_are_skipped_each_with_its_reason(tmp_path):
    pictures, wave = draw("harp"), play("harp")
    film = encode(tmp_path / "fast.mp4", pictures, wave, movflags="faststart").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(film[: 2 * len(film) // 3])
    whole = encode(tmp_path / "whole.mkv", pictures, wave).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("not a film")
    cases = {
        encode(tmp_path / "mute.mp4", pictures): "has no sound",
        encode(tmp_path / "blind.mp4", [], wave): "has no pictures",
        encode(tmp_path / "silent.mp4", pictures, np.zeros(len(wave))): "holds only silence",
        encode(tmp_path / "short.mp4", pictures[:1], wave[:16_000]): "has less than 2 s of sound",
        encode(tmp_path / "slide.mp4", pictures[:1], wave): "has less than 2 s of sound",
        tmp_path / "cut.mp4": "cannot be decoded (Invalid data",
        tmp_path / "cut.mkv": "ends before its header says",
        tmp_path / "empty.mp4": "cannot be decoded",
        tmp_path / "text.mp4": "cannot be decoded",
        encode(tmp_path / "zero.mp4", [], np.zeros(0)): "has no sound",
        encode(tmp_path / "zero.mkv", [], np.zeros(0)): "cannot be decoded (End of file)",
        tmp_path / "gone.mp4": "cannot be decoded (No such file",
    }
    for path, says in cases.items():
        assert problem(path).startswith(says), (path.name, problem(path))
    assert not (tmp_path / "out").exists()


def test_any_rate_channels_and_rotation(tmp_path):
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * 8_000) / 8_000)
    path = encode(tmp_path / "phone.mp4", draw("harp"), wave, rate=8_000)
    recording = decode.read(path)
    assert recording.samples.dtype == np.int16 and abs(recording.seconds - 3) < 0.2
    spectrum = np.abs(np.fft.rfft(recording.samples[:16_000]))
    assert spectrum.argmax() == 440
    halves = np.zeros((96, 128, 3), np.uint8)
    halves[:, :64, 0] = halves[:, 64:, 2] = 250
    path = encode(
        tmp_path / "wide.mp4",
        [halves] * 3,
        np.repeat(wave, 6)[: 3 * 48_000],
        rate=48_000,
        layout="5.1",
    )
    film = bytearray(path.read_bytes())
    # A phone that is held upright writes such a matrix: turn by a quarter, clockwise.
    place = film.index(b"tkhd") + 44
    quarter = np.array([0, 1 << 16, 0, -1 << 16, 0, 0, 96 << 16, 0, 1 << 30], ">i4")
    film[place : place + 36] = quarter.tobytes()
    path.write_bytes(film)
    for number, jpeg in enumerate(decode.read(path).pictures):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg)
        picture = np.asarray(Image.open(tmp_path / f"{number}.jpg")).astype(int)
        assert picture[30, 112, 0] > 200 > picture[30, 112, 2]
        assert picture[-30, 112, 2] > 200 > picture[-30, 112, 0]


def test_sound_alone_needs_no_pictures(tmp_path):
    for i in range(4):
        (tmp_path / f"kind{i % 2}").mkdir(exist_ok=True)
        soundfile.write(
            tmp_path / f"kind{i % 2}/take{i}.wav", 0.1 * np.ones((3 * 22_050, 2)), 22_050
        )
    encode(tmp_path / "kind1/take3.mp4", draw("harp"), play("harp"))
    soundfile.write(
        tmp_path / "cut.flac", 0.1 * np.random.default_rng(0).standard_normal(9 * 16_000), 16_000
    )
    (tmp_path / "kind0/cut.flac").write_bytes((tmp_path / "cut.flac").read_bytes()[:150_000])
    report = run(tmp_path, tmp_path / "out")
    assert report.made == 4
    assert sorted(report.skipped.values())[0].startswith("cannot be decoded")
    assert sorted(report.skipped.values())[1].startswith("has the name of another file")
    rows = [
        row for name in ("train", "val", "test") for row in read_rows(tmp_path / f"out/{name}.csv")
    ]
    assert sorted(row.count for row in rows) == [0, 0, 0, 3]
    assert run(tmp_path, tmp_path / "out").made == 0
    assert run(tmp_path, tmp_path / "out", shortest=5).kept == 0
