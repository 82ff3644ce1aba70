"""Every command but `separate` and `evaluate`: what it leaves, and what it says is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mars_lib.check import InputError
from mars_lib.cli import app, doctor, train
from mars_lib.inference import system
from tests.cli.test_cli import mars


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["evaluate", "--split", "moon"], "test, unseen"),
        (["evaluate", "--query", "smell"], "text, audio, image, composed"),
        (["evaluate", "--protocol", "kind"], "appendix-c"),
        (["train", "supervised", "--profile", "laptop"], "smoke, cpu, gpu or paper"),
        (["train", "supervised", "--profile", "paper"], "encoder imagebind: needs weights"),
        (["train", "supervised", "--soundfont", "none.sf2"], "is not there"),
        (["train", "supervised", "--folder", "nowhere"], "at least two classes"),
        (["train", "rl", "--preset", "laptop"], "recipe, ppo, paper"),
        (["train", "rl", "--estimator", "magic"], "score, pathwise, mode, supervised"),
        (["train", "rl", "--kappa", "0"], "kappa: is 0"),
        (["train", "rl", "--estimator", "score", "--clip-range", "1"], "clip range: is 1"),
        (["train", "rl", "--estimator", "score", "--group-size", "0"], "group size: is 0"),
        (["train", "rl", "--start", "none.safetensors"], "is not there"),
        (["sweep", "none.ipynb", "-p", "KAPPA=1"], "is not there"),
        (["course", "--profile", "moon"], "smoke, cpu, gpu"),
        (["course", "--only", "99"], "holds no such notebook"),
    ],
)
def test_other_commands_name_what_is_wrong(arguments, says):
    status, _, err = mars(*arguments)
    assert status == 1 and says in err, err


@pytest.mark.parametrize("rank, says", [(0, "best.safetensors\n"), (1, "")])
def test_of_several_processes_the_first_says_where_the_checkpoint_is(
    tmp_path, monkeypatch, rank, says
):
    monkeypatch.setattr(train, "train_supervised", lambda *_, **__: Path("best.safetensors"))
    monkeypatch.setattr(train.reinforce, "train_rl", lambda *_, **__: Path("best.safetensors"))
    monkeypatch.setattr(train.distributed, "share", lambda: (rank, 2))
    for words in (("supervised", "--profile", "smoke"), ("rl",)):
        words = ["train", *words, "--out", str(tmp_path), "--device", "cpu"]
        done = CliRunner().invoke(app.app, words, catch_exceptions=False)
        assert done.exit_code == 0 and done.stdout == says


@pytest.mark.parametrize("preset", ["recipe", "ppo", "paper"])
def test_reinforcement_learning_from_the_shipped_separator(tmp_path, preset):
    quick = [
        "--steps",
        "2",
        "--batch-size",
        "2",
        "--validation-mixtures",
        "2",
        "--queries-per-class",
        "1",
    ]
    status, out, err = mars(
        "train", "rl", "--preset", preset, "--out", tmp_path, "--device", "cpu", *quick
    )
    assert status == 0, err
    trained = tmp_path / "best.safetensors"
    assert str(trained) in out and (tmp_path / "metrics.csv").is_file()
    assert system.load(trained).separator is not None


def test_align_trains_heads_that_load(tmp_path):
    quick = [
        "--out",
        tmp_path,
        "--steps",
        "2",
        "--clips",
        "2",
        "--variants",
        "1",
        "--no-measure",
        "--device",
        "cpu",
    ]
    status, out, err = mars("align", *quick)
    assert status == 0, err
    assert all(f"{name}: " in out for name in ("stage1", "stage2", "stage3", "mlbp"))
    second = ["--start", tmp_path / "stage1.safetensors", "--stage", "stage2"]
    status, _, err = mars("align", *quick, *second, "--resume")
    assert (
        status == 1 and "stage2.safetensors: is of another run: it differs in stages, start" in err
    )
    status, out, err = mars("align", *quick, *second, "--out", tmp_path / "second")
    assert status == 0 and "stage2: " in out and "stage3" not in out
    status, _, err = mars("align", *quick, "--batch-size", "0")
    assert status == 1 and "batch size: is 0; give 2 or more" in err


def test_align_names_a_wrong_stage_before_it_works(tmp_path):
    status, _, err = mars("align", "--out", tmp_path / "out", "--stage", "stage9")
    assert status == 1 and "stage: is 'stage9'" in err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["align"], ["train", "systems"]])
def test_what_one_process_does_is_refused_to_several(command, tmp_path, monkeypatch):
    torchrun = {
        "WORLD_SIZE": "2",
        "RANK": "0",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "29500",
    }
    for name, value in torchrun.items():
        monkeypatch.setenv(name, value)
    status, _, err = mars(*command, "--out", tmp_path / "out")
    assert (
        status == 1
        and f"mars {' '.join(command)}: was started 2 times by torchrun" in err
        and not (tmp_path / "out").exists()
    )


def test_doctor_is_well_here():
    status, out, _ = mars("doctor")
    assert status == 0 and "MISSING" not in out
    assert all(f"ok       {package} " in out for package in ("jupyterlab", "papermill", "av"))
    assert "soundfont TimGM6mb (training)" in out and "soundfont Merlin (unseen)" in out


def test_doctor_names_missing_weights(monkeypatch, tmp_path):
    def gone():
        raise InputError("checkpoint x: is not there; run make checkpoints")

    monkeypatch.setattr(doctor, "load", gone)
    status, out, _ = mars("doctor")
    assert status == 1 and "MISSING" in out and "make checkpoints" in out


def test_data_prepare_says_what_is_left_out():
    status, out, _ = mars("data", "prepare")
    assert status == 0 and "Merlin (unseen)" in out and "unseen: 19 classes" in out
    assert "train: 35 classes" in out


def test_every_command_has_help():
    runner = CliRunner()
    for command in (
        [],
        ["separate"],
        ["evaluate"],
        ["train", "supervised"],
        ["train", "rl"],
        ["doctor"],
        ["data", "prepare"],
        ["data", "fetch-imagebind"],
        ["align"],
        ["course"],
        ["checkpoints"],
        ["sweep"],
    ):
        result = runner.invoke(app.app, [*command, "--help"])
        assert result.exit_code == 0 and "Usage" in result.output


def test_the_installed_command_starts():
    script = Path(sys.executable).with_name("mars")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert "separate" in done.stdout
