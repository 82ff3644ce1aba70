"""`mars evaluate --folder`: mixtures of one's own recordings, what asks for them, and the table."""

import json
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.cli import app
from mars_lib.data.folder_mixtures import FolderMixtures
from mars_lib.experiments.evaluate import evaluate_folder

LENGTH = 8_000
SMALL = replace(config.small(), signal=replace(config.small().signal, length=LENGTH))


def record(path, seconds, frequency=None, rate=16_000):
    """A tone with overtones, or noise where no frequency is given."""
    path.parent.mkdir(exist_ok=True)
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(len(path.name)).standard_normal(len(time))
    wave = (
        sum(np.sin(2 * np.pi * k * frequency * time) / k for k in (1, 2, 3)) if frequency else noise
    )
    soundfile.write(path, 0.1 * wave, rate)


@pytest.fixture
def own(tmp_path):
    """Two violins with a picture; one long recording of a door with a picture; one short kettle."""
    folder = tmp_path / "own"
    folder.mkdir()
    record(folder / "violin" / "low.wav", 3, 200)
    record(folder / "violin" / "high.wav", 2, 700, rate=22_050)
    record(folder / "creaky_door" / "long.wav", 5)
    record(folder / "kettle" / "short.wav", 0.4, 1_500)
    for name in ("violin", "creaky_door"):
        Image.new("RGB", (40, 60), "red").save(folder / name / "picture.png")
    return folder


def test_a_mixture_is_the_sum_of_two_classes_and_a_function_of_seed_and_number(own):
    mixtures = FolderMixtures(own, "text", SMALL)
    again, other = FolderMixtures(own, "text", SMALL), FolderMixtures(own, "text", SMALL, seed=1)
    for i in range(6):
        one = mixtures.mixture(i)
        assert one.mixture.shape == (LENGTH,) and one.references.shape == (2, LENGTH)
        torch.testing.assert_close(one.mixture, one.references.sum(dim=0))
        assert one.classes[0] == ("creaky door", "kettle", "violin")[i % 3] != one.classes[1]
        assert torch.equal(one.mixture, again.mixture(i).mixture)
        assert not torch.equal(one.mixture, other.mixture(i).mixture)
        # Sources at RMS 0.1, gains from 0.5 to 1.5, divided by two.
        assert ((0.024 < one.references.std(dim=1)) & (one.references.std(dim=1) < 0.08)).all()
        assert one.clips == () and one.pictures == ()


def test_kinds_of_query_mix_the_same_and_all_files_are_used(own):
    (own / "kettle" / "short.wav").unlink()
    for i in range(4):
        rows = [
            FolderMixtures(own, query, SMALL).mixture(i)
            for query in ("text", "audio", "image", "composed")
        ]
        assert all(torch.equal(row.mixture, rows[0].mixture) for row in rows)
    used = {
        source.path.name
        for i in range(20)
        for source in FolderMixtures(own, "text", SMALL).mixture(i).sources
    }
    assert used == {"low.wav", "high.wav", "long.wav"}


def test_an_audio_query_shares_nothing_with_the_mixture(own):
    with pytest.warns(
        UserWarning,
        match="kettle: left out of audio queries for want of a second recording, or 1.0 s",
    ):
        mixtures = FolderMixtures(own, "audio", SMALL)
    assert mixtures.classes == ["creaky door", "violin"]
    for i in range(20):
        row = mixtures.mixture(i)
        for name, source, clip in zip(row.classes, row.sources, row.clips):
            assert clip.wave.shape == (LENGTH,) and clip.wave.any()
            if name == "violin":
                assert clip.path != source.path
            else:
                assert clip.start + LENGTH <= source.start or clip.start >= source.start + LENGTH


def test_rests_are_not_mixed(tmp_path):
    """Half of each recording is a hum 60 dB down: nobody would ask for that."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        wave = 0.1 * np.random.default_rng(0).standard_normal(64_000)
        wave[:32_000] *= 1e-3
        soundfile.write(tmp_path / name / "one.wav", wave, 16_000)
    mixtures = FolderMixtures(tmp_path, "audio", SMALL)
    for i in range(10):
        row = mixtures.mixture(i)
        assert all(stretch.start + LENGTH > 32_000 for stretch in (*row.sources, *row.clips))


def test_what_a_folder_lacks_is_said(own, tmp_path):
    (own / "violin" / "picture.png").unlink()
    with (
        pytest.warns(UserWarning, match="violin: left out of image queries for want of a picture"),
        pytest.raises(InputError, match="own: has 1 classes that image queries can ask for"),
    ):
        FolderMixtures(own, "image", SMALL)
    with pytest.raises(InputError, match="at least two classes"):
        FolderMixtures(tmp_path / "nowhere", "text", SMALL)
    soundfile.write(own / "kettle" / "short.wav", np.zeros(9_000), 16_000)
    with pytest.raises(InputError, match="'kettle': holds only silence"):
        FolderMixtures(own, "text", SMALL).mixture(1)


@pytest.mark.parametrize("query", ["text", "audio"])
def test_damaged_files_and_classes_of_them_are_left_out(own, lists, query):
    """Floats that are no numbers: what is wrong shows when they are read."""
    nan = np.full(90_000, np.nan)
    soundfile.write(own / "violin" / "high.wav", nan, 16_000, subtype="FLOAT")
    soundfile.write(own / "creaky_door" / "second.wav", nan, 16_000, subtype="FLOAT")
    record(own / "whistle" / "one.wav", 3, 1_000)
    (own / "broken").mkdir()
    soundfile.write(own / "broken" / "one.wav", nan, 16_000, subtype="FLOAT")
    with pytest.warns(UserWarning) as said:
        mixtures = FolderMixtures(own, query, SMALL)
        rows = [mixtures.mixture(i) for i in range(30)]
    assert "broken" not in mixtures.classes and {"violin", "creaky door"} < set(mixtures.classes)
    assert all(row.mixture.any() and row.mixture.isfinite().all() for row in rows)
    assert {s.path.name for row in rows for s in row.sources} <= {
        "low.wav",
        "long.wav",
        "one.wav",
        "short.wav",
    }
    said = " ".join(str(w.message) for w in said)
    assert "left out: " in said and "high.wav: holds 65536 values that are NaN" in said
    if query == "text":
        listed = FolderMixtures(lists[0], query, SMALL, interference=lists[1])
        assert {listed.mixture(i).sources[0].path.name for i in range(9)} == {
            "low.wav",
            "short.wav",
        }


def test_few_files_are_no_trouble(own):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FolderMixtures(own, "text", SMALL)


@pytest.mark.parametrize("query", ["text", "audio", "image", "composed"])
def test_every_query_mode_is_scored(shipped, own, query):
    (own / "kettle" / "short.wav").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = evaluate_folder(shipped, own, query, mixtures=3, progress=False, batch_size=2)
    assert (result["mixtures"], result["skipped"]) == (3, 0) and result["classes"] == [
        "creaky door",
        "violin",
    ]
    assert result["systems"]["mixture"]["si_sdri"]["mean"] == pytest.approx(0, abs=1e-9)
    assert result["systems"]["oracle"]["si_sdri"]["mean"] > 5
    assert "judge" not in result["systems"][shipped.name]


def test_an_unknown_class_is_named_for_text_queries_alone(shipped, own):
    with pytest.warns(UserWarning, match="'creaky door' is no class of mini-MUSIC; nearest"):
        evaluate_folder(shipped, own, "text", mixtures=1, progress=False)
    with pytest.raises(InputError, match="query: is 'smell'"):
        evaluate_folder(shipped, own, "smell")


@pytest.fixture
def lists(own):
    """What is asked for: two violins and a kettle; what is mixed with it: a door and a violin. As
    `mars data prepare-music` writes them.
    """
    Image.new("RGB", (40, 60), "red").save(own / "violin" / "000001.jpg")
    rows = {
        "good.csv": [
            "violin/low.wav,violin,1,violin",
            "violin/high.wav,violin,1,violin",
            "kettle/short.wav,kettle,0,kettle",
        ],
        "noise.csv": [
            "creaky_door/long.wav,creaky_door,0,creaky_door",
            "violin/high.wav,violin,1,violin",
        ],
    }
    for name, lines in rows.items():
        (own / name).write_text("\n".join(lines) + "\n")
    return own / "good.csv", own / "noise.csv"


def test_every_recording_of_a_list_comes_first_once_with_one_of_the_other_list(lists):
    mixtures = FolderMixtures(lists[0], "text", SMALL, interference=lists[1])
    rows = [mixtures.mixture(i) for i in range(30)]
    assert [row.sources[0].path.name for row in rows[:4]] == [
        "short.wav",
        "low.wav",
        "high.wav",
        "short.wav",
    ]
    assert {row.classes for row in rows} == {
        ("violin", "creaky door"),
        ("kettle", "creaky door"),
        ("kettle", "violin"),
    }
    assert {row.sources[1].path.name for row in rows} == {"long.wav", "high.wav"}
    alone = FolderMixtures(lists[0], "text", SMALL)
    assert {alone.mixture(i).classes for i in range(9)} == {
        ("violin", "kettle"),
        ("kettle", "violin"),
    }


def test_lists_that_cannot_be_mixed(lists, tmp_path):
    (tmp_path / "one.csv").write_text(f"{lists[0].parent / 'violin' / 'low.wav'},x,0,violin\n")
    with pytest.raises(InputError, match="one.csv: has 1 classes that text queries can ask for"):
        FolderMixtures(tmp_path / "one.csv", "text", SMALL)
    mixed = FolderMixtures(lists[0], "text", SMALL, interference=tmp_path / "one.csv")
    with pytest.raises(InputError, match="'violin': has no other class to be mixed with"):
        mixed.mixture(1)
    with pytest.raises(InputError, match="cannot be read"):
        FolderMixtures(tmp_path / "none.csv", "text", SMALL)


def test_the_command_scores_lists(shipped, lists, tmp_path, capsys, monkeypatch):
    target = tmp_path / "result.json"
    asked = (
        "--csv",
        lists[0],
        "--interference",
        lists[1],
        "--mixtures",
        3,
        "--seed",
        5,
        "--json",
        target,
    )
    status, out, err = mars(capsys, monkeypatch, "evaluate", *asked)
    assert status == 0, err
    result = json.loads(target.read_text())
    assert (result["seed"], result["interference"], result["classes"]) == (
        5,
        str(lists[1]),
        ["creaky door", "kettle", "violin"],
    )
    assert "good.csv, text query, 3 mixtures" in out
    status, _, err = mars(
        capsys, monkeypatch, "evaluate", "--csv", lists[0], "--folder", lists[0].parent
    )
    assert status == 1 and "are two data sets" in err


def mars(capsys, monkeypatch, *arguments):
    """Run `mars` in this process: (exit status, stdout, stderr)."""
    monkeypatch.setattr(sys, "argv", ["mars", *map(str, arguments)])
    try:
        app.main()
        status = 0
    except SystemExit as stop:
        status = stop.code or 0
    return status, *capsys.readouterr()


def test_the_command_writes_table_and_json(shipped, own, tmp_path, capsys, monkeypatch):
    target = tmp_path / "result.json"
    asked = ["evaluate", "--folder", own, "--mixtures", "4", "--json", target]
    status, out, err = mars(capsys, monkeypatch, *asked)
    assert status == 0, err
    result = json.loads(target.read_text())
    assert set(result["systems"]) == {shipped.name, "oracle", "mixture"}
    rows = target.with_suffix(".mixtures.jsonl").read_text().splitlines()
    assert len(rows) == 4 and json.loads(rows[1])["classes"][0] == "kettle"
    assert "text query, 4 mixtures, 0 skipped" in out and "oracle" in out and "judge" not in out
    assert "'kettle' is no class" in err
    status, _, err = mars(capsys, monkeypatch, "evaluate", "--folder", tmp_path / "empty")
    assert status == 1 and "at least two classes" in err and "Traceback" not in err
