from collections import namedtuple
from pathlib import Path

import pytest
import torch

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.io import paths
from mars_lib.separator import Separator
from mars_lib.training import budget
from mars_lib.training.budget import Budget

CPU = torch.device("cpu")
Usage = namedtuple("Usage", "total used free")


def make(tmp_path, steps=100):
    return Budget(
        Separator(config.smoke()), CPU, tmp_path / "not" / "yet", weights=4, saved=4, steps=steps
    )


def test_a_run_says_what_it_needs(tmp_path):
    separator = Separator(config.smoke())
    copy = sum(t.numel() * t.element_size() for t in separator.state_dict().values())
    found = make(tmp_path)
    assert found.memory == 4 * copy and found.disk == 8 * copy
    assert f"{found.parameters / 1e6:.1f} million parameters" in found.before()


def test_a_disk_that_is_too_small_ends_a_run_before_its_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(paths.shutil, "disk_usage", lambda path: Usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(InputError, match="0.00 GB free, checkpoints need .*--out"):
        make(tmp_path)


def test_hours_are_those_of_the_first_steps(tmp_path, monkeypatch):
    clock = iter([100.0, 180.0])
    monkeypatch.setattr(budget.time, "perf_counter", lambda: next(clock))
    found = make(tmp_path, steps=370)
    lines = [found.after(done, first=0) for done in range(1, 13)]
    said = [line for line in lines if line]
    # Eight steps in 80 s, 360 steps to go.
    assert (
        said == ["10.00 s a step: 1.0 h to go, validations not counted"]
        and lines.index(said[0]) == 9
    )


def test_the_folder_above_is_measured(tmp_path):
    assert paths.existing(tmp_path / "a" / "b") == tmp_path
    assert paths.existing(Path("nowhere-at-all")) == Path.cwd()
