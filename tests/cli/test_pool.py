"""The commands `mars data pool ...`, on a folder of two classes."""

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from mars_lib.check import InputError
from mars_lib.cli.app import app
from mars_lib.io.processes import cores


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MARS_CACHE", str(tmp_path / "cache"))
    own = tmp_path / "own"
    for name in ("kettle", "creaky door"):
        (own / name).mkdir(parents=True)
        for i in range(10):
            noise = 0.1 * np.random.default_rng(i).standard_normal(8_000)
            soundfile.write(own / name / f"{i}.wav", noise, 16_000)

    def call(*words):
        done = CliRunner().invoke(app, ["data", "pool", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    call.own = ("--folder", str(own), "--profile", "smoke", "--workers", "1")
    return call


def test_pools_are_made_listed_and_cleared(run, tmp_path):
    said = run("make", *run.own, "--clips", "3")
    # Of 2 classes 3 clips to train on, 4 for queries, 16 for validation.
    assert "clip pool (separator clips, train): 3 clips of 2 classes" in said
    assert "clip pool (query clips, train): 4 clips of 2 classes" in said
    assert "clip pool (separator clips, validation): 16 clips of 2 classes" in said
    assert "clip pool" not in run("make", *run.own, "--clips", "3")  # all is there
    listed = run("list")
    assert listed.count("FolderMusic, 2.0 s a clip") == 3 and str(tmp_path / "cache") in listed
    first = listed.split()[0]
    assert run("clear", first).startswith("1 removed")
    assert first not in run("list") and run("clear").startswith("2 removed")


@pytest.mark.parametrize(
    "words, message",
    [
        (("--workers", str(cores() + 1)), "workers: is .* cores; give a number from 0"),
        (("--limit", "1e-9"), "the limit is 1e-09 GB; give fewer --clips"),
        (("--limit", "nan"), "limit: is nan"),
        (("--profile", "huge"), "profile: is 'huge'"),
        (("--csv", "elsewhere"), "--folder|--csv"),
    ],
)
def test_what_cannot_be_meant_is_one_line(run, words, message):
    with pytest.raises(InputError, match=message):
        run("make", *run.own, *words)


def test_a_pool_that_is_not_there_is_not_cleared(run):
    with pytest.raises(InputError, match="pool 'abc': is not there"):
        run("clear", "abc")


def test_an_odd_account_of_a_pool_and_a_cache_that_is_a_file_are_one_line(run, tmp_path):
    folder = tmp_path / "cache" / "clips" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "about.json").write_text('{"length": "long", "sample_rate": [1], "stream": 2}')
    assert "0123456789abcdef    0.00 GB  unfinished, ?, ?" in run("list")
    assert run("clear").startswith("1 removed")
    (tmp_path / "cache").rename(tmp_path / "moved")
    (tmp_path / "cache").write_text("")
    for command in ("list", "clear"):
        with pytest.raises(InputError, match="cache .*: is no folder; set MARS_CACHE"):
            run(command)
