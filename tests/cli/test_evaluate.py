"""The command `evaluate`, and what it scores."""

import json
from pathlib import Path

import pytest

from mars_lib.experiments.evaluate import evaluate
from tests.cli.test_cli import mars


def test_evaluate_writes_the_promised_json(shipped, tmp_path):
    target = tmp_path / "result.json"
    status, out, err = mars(
        "evaluate", "--split", "unseen", "--query", "composed", "--limit", "4", "--json", target
    )
    assert status == 0, err
    result = json.loads(target.read_text())
    assert (result["split"], result["query"], result["mixtures"]) == ("unseen", "composed", 4)
    assert set(result["systems"]) == {shipped.name, "oracle", "mixture"}
    for name, row in result["systems"].items():
        # The mixture has no artefacts: rounding alone would be its SAR.
        without = {"sar"} if name == "mixture" else set()
        assert (
            set(row)
            == {"si_sdri", "si_sdr", "sdr", "sir", "sar", "closer_to_target", "judge"} - without
        )
        assert set(row["si_sdr"]) == set(row["judge"]) == {"mean", "sem", "ci95", "left_out"}
        assert 0 <= row["judge"]["mean"] <= 1
    assert result["systems"]["mixture"]["si_sdri"]["mean"] == pytest.approx(0, abs=1e-9)
    assert result["systems"]["oracle"]["si_sdri"]["mean"] > 5
    rows = [json.loads(line) for line in Path(result["per_mixture"]).read_text().splitlines()]
    assert len(rows) == 4 and all(row["oracle"]["judge"] in (0, 0.5, 1) for row in rows)
    assert "oracle" in out and "judge" in out and "mixture SAR 4." in out


@pytest.mark.parametrize("query", ["text", "audio", "image"])
def test_every_query_mode_can_be_evaluated(shipped, query):
    result = evaluate(shipped, "test", query, limit=3, progress=False)
    assert result["changed_mixtures"] == 0 and result["skipped"] == 0
