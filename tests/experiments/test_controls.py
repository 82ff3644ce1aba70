"""`benchmarks/controls.py`: its rows and its table."""

import importlib
import importlib.util
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from mars_lib.check import InputError
from mars_lib.reward import Target, compared_with, in_windows, with_signal
from mars_lib.training.rl_config import RLConfig


def test_controls_are_held_against_the_one_that_samples_too(root):
    spec = importlib.util.spec_from_file_location("rows", root / "benchmarks" / "control_rows.py")
    controls = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(controls)
    rows = controls.rows(RLConfig())
    assert (
        replace(rows[controls.FAIR], reward="fused") == rows["recipe"]
        and rows[controls.FAIR].estimator == "pathwise"
    )
    # The seeds of a row are far apart, those of a pair are not: an interval of each says so.
    runs = {
        seed: {metric: [4.0 * seed, 4.0 * seed + 1] for metric in ("si_sdri", "judge", "reward")}
        for seed in range(3)
    }
    above = {
        seed: {metric: [x + 1 for x in values] for metric, values in run.items()}
        for seed, run in runs.items()
    }
    silent = {
        seed: {
            metric: [*values, np.nan if (seed, metric) == (2, "si_sdri") else 0]
            for metric, values in run.items()
        }
        for seed, run in above.items()
    }
    names = {controls.FROZEN: {0: runs[1]}, controls.FAIR: runs, "recipe": above}
    page = controls.table({name: {"search": {}, "runs": rows} for name, rows in names.items()})
    fair, frozen = (
        next(line for line in part.splitlines() if line.startswith("recipe"))
        for part in page.split("against")[1:]
    )
    assert (
        "+1.00 [+1.00, +1.00] dB" in fair
        and "+1.00 [-3.00, +5.00] dB" in frozen
        and "left out" not in page
    )
    # A third mixture, on which one seed of one row returned silence, is in no mean.
    longer = {
        name: {seed: {m: [*v, 0] for m, v in run.items()} for seed, run in each.items()}
        for name, each in names.items()
    }
    again = controls.table(
        {name: {"search": {}, "runs": rows} for name, rows in (longer | {"recipe": silent}).items()}
    )
    assert again == f"1 mixtures left out\n{page}"


def test_a_contrastive_reward_is_less_the_similarity_to_the_other_source(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "benchmarks")
    controls = importlib.import_module("controls")

    def paid(estimate, target):
        return (estimate * target.reference).sum(dim=-1)

    # Two mixtures of two sources: rows 0 and 1 are of the first one, 2 and 3 of the second.
    references = torch.eye(4)
    target = Target(references, {"audio": references})
    leaking = references + 0.25 * references[[1, 0, 3, 2]]
    reward = controls.Contrastive(paid, paid)
    torch.testing.assert_close(reward(references, target), torch.ones(4))
    torch.testing.assert_close(reward(leaking, target), torch.full((4,), 0.75))
    elsewhere = references + 0.25 * references[[2, 3, 0, 1]]
    torch.testing.assert_close(reward(elsewhere, target), torch.ones(4))


def test_a_shuffled_reward_is_of_another_mixture_always_and_in_windows_too(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "benchmarks")
    controls = importlib.import_module("controls")
    reward = with_signal(lambda estimate, target: (estimate * target.reference).sum(dim=-1), 0.03)
    # Rows 0 and 1 are of the first mixture, 2 and 3 of the second: each earns by another's alone.
    for count in (4, 8, 16):
        references = torch.eye(count, 256)
        paid = controls.Shuffled(reward.semantic)
        earned = torch.stack(
            [paid(row.expand(count, -1), Target(references, {})) for row in references]
        )
        mixture = torch.arange(count) // 2
        assert ((earned > 0).sum(dim=1) == 1).all()
        assert not (earned > 0)[mixture[:, None] == mixture].any()
    whole = controls.Shuffled(reward)
    found = in_windows(whole)(references.roll(2, dims=0), Target(references, {}))
    torch.testing.assert_close(found, torch.full((count,), 30.0))
    # Credit by patch is by the error from the reference that the reward is about.
    moved = compared_with(whole, Target(references, {"audio": references}))
    assert torch.equal(moved.reference, references.roll(2, dims=0))
    assert torch.equal(moved.embeddings["audio"], moved.reference)
    with pytest.raises(InputError, match="rows of a batch"):
        whole(references[:2], Target(references[:2], {}))


def test_a_row_that_is_none_is_said_before_any_work(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "benchmarks")
    controls = importlib.import_module("controls")
    monkeypatch.setattr("sys.argv", ["controls.py", "--only", "PPO recipes"])
    monkeypatch.setattr(controls, "prepare", None)
    with pytest.raises(InputError, match="row: is 'PPO recipes'; give one of supervised continued"):
        controls.main()


def test_what_is_kept_of_a_row_is_of_its_own_options_and_of_one_rate(root, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(root / "benchmarks")
    controls = importlib.import_module("controls")
    job, path = RLConfig(steps=7), tmp_path / "controls.json"
    gains = {1e-4: 1.0, 1e-3: 2.0}

    class Trained:
        def train(self, name, run, folder):
            return run.learning_rate, {"validation_si_sdri": gains[run.learning_rate]}

        def measure(self, rate):
            return {"si_sdri": [rate]}

    ledger = controls.Ledger(path)
    controls.search(Trained(), ledger, "row", job, [1e-4])
    controls.repeat(Trained(), ledger, "row", job, 1)
    assert set(ledger.row("row", job)["runs"]) == {"0", "1"}
    # A better rate, searched later: the seed of the former one is no seed of this row any more.
    again = controls.Ledger(path)
    controls.search(Trained(), again, "row", job, [1e-4, 1e-3])
    assert again.row("row", job)["runs"] == {"0": {"si_sdri": [1e-3]}}
    with pytest.raises(InputError, match="row 'row' .* differs in options.anchor, options.steps"):
        controls.Ledger(path).row("row", replace(job, steps=8, anchor=1.0))


def test_a_benchmark_tells_a_mendable_error_in_one_line(root):
    script = [sys.executable, root / "benchmarks" / "controls.py", "--only", "PPO recipes"]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: row: is 'PPO recipes'; give one of")
    assert done.stderr.count("\n") == 1
    # So do all others that call mars_lib.
    for path in (*(root / "benchmarks").glob("*.py"), root / "docs" / "separation.py"):
        text = path.read_text(encoding="utf-8")
        if "__main__" in text and "\nfrom mars_lib" in text:
            assert text.endswith("    with told():\n        main()\n"), path
