"""Several processes: the same numbers as one with the whole batch, one writer, and an end that
explains itself.
"""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mars_lib.check import InputError
from mars_lib.io import checkpoint
from mars_lib.training import distributed
from tests.training import torchrun_worker as worker

KINDS = ("supervised", *worker.KINDS)


def torchrun(*arguments):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        worker.__file__,
    ]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def two(start, tmp_path_factory):
    """The folder of runs in two processes."""
    out = tmp_path_factory.mktemp("two")
    done = torchrun(start, out, *KINDS)
    assert done.returncode == 0, done.stderr[-8000:]
    return out


def test_a_process_leaves_its_group():
    assert not torch.distributed.is_initialized()
    distributed.leave()
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    assert distributed.share() == (0, 1)
    distributed.leave()
    assert not torch.distributed.is_initialized()


def rows(folder: Path) -> list[dict]:
    return list(csv.DictReader((folder / "metrics.csv").open()))


def same(left: Path, right: Path) -> None:
    """Every number of two logs, but for rounding."""
    left, right = rows(left), rows(right)
    assert len(left) == len(right) == worker.STEPS
    for ours, theirs in zip(left, right):
        assert {k for k, v in ours.items() if v} == {k for k, v in theirs.items() if v}
        for name, value in ours.items():
            if value:
                assert float(value) == pytest.approx(float(theirs[name]), rel=2e-3, abs=2e-5), name


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_train_as_one_with_the_whole_batch(kind, start, two, tmp_path):
    worker.train(start, tmp_path / kind, kind)
    same(tmp_path / kind, two / kind)


@pytest.mark.parametrize("kind", [k for k in worker.KINDS if k != "score"])
def test_a_step_in_passes_is_the_step(kind, start, two, tmp_path):
    """With G > 1, and on the pathwise road, a step in two passes is the step in one."""
    worker.train(start, tmp_path / kind, kind, accumulate=2)
    same(tmp_path / kind, two / kind)


def test_two_processes_make_a_step_in_passes_as_one_does(start, tmp_path):
    """The mixtures that share a batch normalisation, and with G = 1 a group, are the same."""
    kinds = ("supervised", "score")
    done = torchrun(start, tmp_path / "two", *kinds, "passes")
    assert done.returncode == 0, done.stderr[-8000:]
    for kind in kinds:
        worker.train(start, tmp_path / kind, kind, accumulate=2)
        same(tmp_path / kind, tmp_path / "two" / kind)


def test_a_killed_process_ends_the_run_with_a_remedy_and_the_run_resumes(start, two, tmp_path):
    done = torchrun(start, tmp_path, "pathwise", "dies")
    assert done.returncode != 0
    assert "process 0 of 2: cannot go on" in done.stderr and "--resume" in done.stderr
    assert (
        checkpoint.load(tmp_path / "pathwise" / "last.safetensors", "separator").meta["step"] == 2
    )
    again = torchrun(start, tmp_path, "pathwise", "resume")
    assert again.returncode == 0, again.stderr[-2000:]
    same(tmp_path / "pathwise", two / "pathwise")


def test_a_batch_that_cannot_be_cut(monkeypatch):
    monkeypatch.setattr(distributed, "share", lambda: (0, 2))
    with pytest.raises(InputError, match="multiple of 6"):
        distributed.check_batch("batch size", 8, passes=3)


def test_a_full_card_says_what_to_lower():
    @distributed.explained
    def train():
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(InputError, match="--accumulate"):
        train()


def test_a_reader_that_dies_during_a_step_is_one_line():
    """torch raises it on SIGCHLD, wherever the main thread is."""

    @distributed.explained
    def train():
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    with pytest.raises(InputError, match="^a worker that reads clips: died.*fewer --workers$"):
        train()


def test_other_errors_pass_through():
    @distributed.explained
    def train():
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        train()
