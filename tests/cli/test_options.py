"""What a command was given is checked before it works: nothing is loaded, nothing is left, and
nothing is silently ignored.
"""

import errno
import json
import os
import tempfile
import threading

import pytest
import torch

from mars_lib import check
from mars_lib.check import InputError
from mars_lib.cli import evaluation_commands, options
from mars_lib.config import LARGEST_KAPPA
from mars_lib.inference import system
from mars_lib.io import atomic, devices, paths
from mars_lib.policy import BetaMaskPolicy
from mars_lib.training.rl_config import READS, RLConfig
from tests.cli.test_cli import mars

RL, SUPERVISED, ALIGN = ["train", "rl"], ["train", "supervised"], ["align"]
SYSTEMS, EVALUATE = ["train", "systems"], ["evaluate"]

UNREAD = [
    (
        [*RL, "--group-size", "4"],
        "--group-size: would not be read: the estimator is pathwise; "
        "leave it out, or give --estimator score",
    ),
    ([*RL, "--clip-range", "0.1"], "--clip-range: "),
    ([*RL, "--entropy", "0"], "--entropy: "),
    ([*RL, "--kl", "0"], "--kl: "),
    ([*RL, "--ratio", "frame"], "--ratio: "),
    (
        [*RL, "--estimator", "mode", "--kappa", "3"],
        "--kappa: would not be read: the estimator is mode; "
        "leave it out, or give --estimator score or pathwise",
    ),
    ([*RL, "--estimator", "mode", "--patch", "8"], "--patch: "),
    ([*RL, "--estimator", "supervised", "--kappa", "3"], "--kappa: "),
    ([*RL, "--estimator", "supervised", "--anchor", "0"], "--anchor: "),
    ([*RL, "--reward", "signal", "--heads", "stage3"], "--heads: "),
    ([*RL, "--preset", "paper", "--reward", "signal"], "signal weight: is 0"),
    ([*RL, "--folder", ".", "--soundfont", "x.sf2"], "--soundfont: "),
    ([*SUPERVISED, "--csv", ".", "--soundfont", "x.sf2"], "--soundfont: "),
    ([*SYSTEMS, "--folder", ".", "--soundfont", "x.sf2"], "--soundfont: "),
    ([*ALIGN, "--folder", ".", "--soundfont", "x.sf2"], "--soundfont: "),
    ([*ALIGN, "--folder", ".", "--measure"], "--measure: "),
    ([*ALIGN, "--stage", "stage1", "--margin", "0.3"], "--margin: "),
    ([*EVALUATE, "--interference", "x.csv"], "--interference: "),
    ([*EVALUATE, "--folder", ".", "--interference", "x.csv"], "--interference: "),
    (
        [*EVALUATE, "--seed", "0"],
        "--seed: would not be read: a split is as it is; leave it out, or give --folder or --csv",
    ),
    ([*EVALUATE, "--mixtures", "20"], "--mixtures: "),
    ([*EVALUATE, "--folder", ".", "--split", "test"], "--split: "),
    ([*EVALUATE, "--folder", ".", "--limit", "5"], "--limit: "),
]


@pytest.mark.parametrize(("arguments", "says"), UNREAD)
def test_an_option_that_would_be_ignored_is_refused(
    arguments, says, nothing_is_loaded, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    status, _, err = mars(*arguments)
    assert status == 1 and err.startswith(f"error: {says}") and err.count("\n") == 1, err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("estimator", ["score", "pathwise", "mode", "supervised"])
def test_what_an_estimator_reads_and_what_is_not_given_pass(estimator):
    given = {
        "score": {"group_size": 2, "ratio": "frame"},
        "pathwise": {"patch": 2, "kappa": 3, "kappa_end": 3},
    }
    options.check_read(RLConfig(estimator=estimator), given.get(estimator, {}), None, None)
    for field in READS["score"]:
        if field not in READS[estimator]:
            with pytest.raises(InputError, match="would not be read"):
                options.check_read(RLConfig(estimator=estimator), {field: 1}, None, None)


def test_a_full_or_read_only_place_is_said_before_any_work(
    nothing_is_loaded, tmp_path, monkeypatch
):
    for number in (errno.ENOSPC, errno.EROFS):

        def refuse(*_, number=number, **__):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
        for command in (RL, SUPERVISED, ALIGN, [*EVALUATE, "--json", tmp_path / "x.json"]):
            status, _, err = mars(
                *command, *(["--out", tmp_path / "out"] if command[0] != "evaluate" else [])
            )
            assert (
                status == 1 and f"cannot be written ({os.strerror(number)}); give another --" in err
            )


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE: is 2 in the environment, without RANK, LOCAL_RANK"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE: is 'two' in the environment"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE: is '' in the environment"),
        (
            {"WORLD_SIZE": "2", **dict.fromkeys(options.TORCHRUN, "here")},
            "WORLD_SIZE: is '2' in the environment, not as",
        ),
    ],
)
@pytest.mark.parametrize("command", [RL, SUPERVISED, ALIGN, SYSTEMS, ["checkpoints"]])
def test_a_world_size_that_was_left_behind_is_said(
    command, environment, says, nothing_is_loaded, monkeypatch
):
    for name in options.TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    status, _, err = mars(*command)
    assert status == 1 and says in err and "unset it, or start with torchrun" in err


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match="mps is not there"):
        devices.choose_device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="cuda:0 is not there"):
        devices.choose_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [devices.choose_device(name) for name in ("auto", "cuda", "cuda:1")] == [
        "cuda",
        "cuda",
        "cuda:1",
    ]
    with pytest.raises(InputError, match="cuda:7 is not there; use one from cuda:0 to cuda:1"):
        devices.choose_device("cuda:7")


def test_the_largest_values_that_pass_can_be_used():
    """The bounds are no tighter than what the generators and Eq. 3 bear."""
    torch.Generator().manual_seed(check.LARGEST_SEED * 1_000_003 + 10**6)
    policy = BetaMaskPolicy(torch.rand(1, 1, 8, 8), float(LARGEST_KAPPA))
    action = policy.sample(torch.Generator().manual_seed(0), 2)
    assert all(torch.isfinite(x).all() for x in policy.statistics(action, policy))


def test_json_to_a_pipe_stands_there_alone(tmp_path, monkeypatch):
    """`mars evaluate --json PIPE` writes into what is no file, leaves it what it is, and puts
    nothing beside it.
    """
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    monkeypatch.setattr(system, "load", lambda *_: None)
    monkeypatch.setattr(
        evaluation_commands,
        "evaluate_split",
        lambda *_, per_mixture, **__: {"per_mixture": per_mixture},
    )
    monkeypatch.setattr(evaluation_commands, "report", lambda _: "the table")
    status, _, err = mars(*EVALUATE, "--json", pipe)
    reader.join(5)
    assert status == 0, err
    assert (
        json.loads(read[0]) == {"per_mixture": None}
        and pipe.is_fifo()
        and list(tmp_path.iterdir()) == [pipe]
    )


def test_json_on_the_screen_is_not_mixed_with_the_table(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(system, "load", lambda *_: None)
    monkeypatch.setattr(evaluation_commands, "evaluate_split", lambda *_, **__: {})
    monkeypatch.setattr(evaluation_commands, "report", lambda _: "the table")
    monkeypatch.setattr(atomic, "write_json", lambda path, _: written.append(str(path)))
    monkeypatch.setattr(paths, "output_file", lambda *_: None)
    status, out, err = mars(*EVALUATE, "--json", "/dev/stdout")
    assert status == 0 and written == ["/dev/stdout"] and out == "" and "the table" in err


@pytest.mark.parametrize(
    ("arguments", "name"), [(SUPERVISED, "last"), (RL, "best"), (ALIGN, "stage2")]
)
def test_a_run_that_is_there_is_named_before_anything_is_loaded(
    arguments, name, nothing_is_loaded, tmp_path
):
    (tmp_path / f"{name}.safetensors").touch()
    status, _, err = mars(*arguments, "--out", str(tmp_path))
    assert status == 1 and f"is there already ({name}.safetensors); go on with --resume" in err, err
