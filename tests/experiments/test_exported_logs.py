"""Short logs of what was trained: means over steps, and validations as they were."""

import csv

from mars_lib.experiments.exported_separators import export_log
from mars_lib.io import assets
from mars_lib.training import log


def test_a_row_is_the_mean_of_its_steps_and_a_validation_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "folder", lambda: tmp_path / "data")
    run = tmp_path / "run"
    run.mkdir()
    with (run / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ("step", "loss", "validation_si_sdri"))
        writer.writeheader()
        for step in range(10):
            measured = {"validation_si_sdri": 5.25} if step == 2 else {}
            writer.writerow({"step": step, "loss": step / 2} | measured)
    export_log(run, "mine", every=4)
    assert log.rows(tmp_path / "data" / "logs" / "mine") == [
        {"step": 3, "loss": 0.75, "validation_si_sdri": 5.25},
        {"step": 7, "loss": 2.75},
        {"step": 9, "loss": 4.25},
    ]
