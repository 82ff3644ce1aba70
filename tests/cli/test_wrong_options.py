"""Values that no run can use are named before any work, as an option and in a configuration."""

import pytest

from mars_lib.alignment.stages import AlignmentConfig
from mars_lib.check import InputError
from mars_lib.config import PolicyConfig, TrainingConfig
from mars_lib.training.rl_config import RLConfig
from tests.cli.test_cli import mars
from tests.cli.test_options import ALIGN, EVALUATE, RL, SUPERVISED, SYSTEMS

WRONG = [
    (command, ["--device", device], says)
    for command in (RL, SUPERVISED, ALIGN, SYSTEMS, EVALUATE, ["benchmark"], ["checkpoints"])
    for device, says in (
        ("toaster", "device: is 'toaster'"),
        ("cuda:x", "device: is 'cuda:x'"),
        ("cudaa", "device: is 'cudaa'"),
    )
] + [
    (
        RL,
        ["--precision", "8-bit"],
        "precision: is '8-bit'; give one of 32-true, bf16-mixed, 16-mixed",
    ),
    (SUPERVISED, ["--precision", "8-bit"], "precision: is '8-bit'"),
    *(
        (command, ["--learning-rate", rate], f"learning rate: is {float(rate)}")
        for command in (RL, SUPERVISED, ALIGN)
        for rate in ("-1", "nan", "inf")
    ),
    *(
        (command, ["--seed", seed], f"seed: is {seed}; give a whole number from 0")
        for command in (RL, SUPERVISED, ALIGN, [*EVALUATE, "--folder", "."])
        for seed in ("-1", str(2**64))
    ),
    (RL, ["--kappa", "1e30"], "kappa: is 1e+30"),
    (RL, ["--kappa", "nan"], "kappa: is nan"),
    (RL, ["--patch", "129"], "patch: is 129, and the masks are 128 x 128; give 128 or less"),
    (
        RL,
        ["--preset", "paper", "--patch", "16", "--reward-windows", "9"],
        "reward windows: are 9, and an action has 8 frames; give 8 or fewer",
    ),
    # What is not read is said before what does not fit, whose remedy would lead nowhere.
    (RL, ["--credit", "patch"], "--credit: would not be read: the estimator is pathwise"),
    (RL, ["--queries-per-class", "0"], "queries per class: is 0"),
    (RL, ["--anchor", "inf"], "anchor: is inf"),
    (
        RL,
        ["--estimator", "score", "--entropy", "nan"],
        "entropy and KL coefficients: are nan and 0.01",
    ),
    (
        RL,
        ["--batch-size", "6", "--accumulate", "4"],
        "batch size: is 6, in 4 passes; give a multiple of 4",
    ),
    (RL, ["--heads", "nowhere.safetensors"], "heads nowhere.safetensors: are not there"),
    (RL, ["--csv", "nowhere"], "nowhere/train.csv: is not there"),
    (RL, ["--folder", "nowhere"], "nowhere: is no folder"),
    (RL, ["--soundfont", "nowhere.sf2"], "soundfont nowhere.sf2: is not there"),
    (ALIGN, ["--margin", "nan"], "margin and replay: are nan"),
    (ALIGN, ["--batch-size", "1"], "batch size: is 1"),
    (ALIGN, ["--start", "nowhere.safetensors"], "checkpoint nowhere.safetensors: is not there"),
    (EVALUATE, ["--query", "smell"], "query: is 'smell'"),
    (EVALUATE, ["--split", "moon"], "split: is 'moon'"),
    (EVALUATE, ["--protocol", "kind"], "protocol: is 'kind'"),
    (EVALUATE, ["--folder", "nowhere"], "nowhere: is no folder"),
    (EVALUATE, ["--csv", "nowhere.csv"], "nowhere.csv: is not there"),
    (
        EVALUATE,
        ["--json", "file/x.json"],
        "file: cannot be a folder: file is a file; give another --json",
    ),
    (EVALUATE, ["--json", "/proc/x.json"], "/proc: cannot be written"),
    (EVALUATE, ["--json", "."], ".: is a folder"),
    *(
        (command, [option, place], f"{place}: cannot be {says}")
        for command, option in (
            (RL, "--out"),
            (SUPERVISED, "--out"),
            (SYSTEMS, "--out"),
            (ALIGN, "--out"),
            (["benchmark"], "--out"),
            (["checkpoints"], "--work"),
            (["data", "prepare-music", "."], "--out"),
        )
        for place, says in (
            ("file", "a folder: file is a file"),
            ("file/below", "a folder: file is a file"),
            ("/proc/none", "written"),
        )
    ),
    (["data", "fetch-imagebind", "file"], [], "file: cannot be a folder"),
    (["data", "pack", "/proc/x.zip"], [], "/proc: cannot be written"),
    (["data", "pack", "."], [], ".: is a folder"),
    (["data", "unpack", "file", "/proc/none"], [], "/proc/none: cannot be written"),
    (["data", "unpack", "file", "below"], [], "file: is no archive of soundfonts"),
    (["data", "unpack", "none.zip", "below"], [], "none.zip: is not there"),
]


@pytest.mark.parametrize(("command", "wrong", "says"), WRONG)
def test_a_wrong_option_is_named_before_any_work(
    command, wrong, says, nothing_is_loaded, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    status, _, err = mars(*command, *wrong)
    assert status == 1 and err.startswith(f"error: {says}") and err.count("\n") == 1, err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (TrainingConfig, {"queries_per_class": 0}),
        (TrainingConfig, {"validation_mixtures": 0}),
        (TrainingConfig, {"augment": float("nan")}),
        (RLConfig, {"seed": 2**32}),
        (RLConfig, {"signal_weight": float("inf")}),
        (PolicyConfig, {"kappa_end": float("inf")}),
        (AlignmentConfig, {"seed": -1}),
    ],
)
def test_configurations_made_in_python_are_held_to_the_same(kind, change):
    with pytest.raises(InputError, match=next(iter(change)).replace("_", ".")):
        kind(**change)
