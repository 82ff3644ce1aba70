"""The command `evaluate`, and what it scores."""

import json
from pathlib import Path

import pytest

import mars_lib
from mars_lib.check import InputError
from mars_lib.experiments.evaluate import evaluate
from mars_lib.experiments.evaluation_report import paired
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


def test_a_second_checkpoint_is_compared_mixture_by_mixture(tmp_path):
    target = tmp_path / "result.json"
    first = ("--checkpoint", "pathwise-small", "--limit", "4", "--json", target)
    status, out, err = mars("evaluate", *first, "--against", "separator-small")
    assert status == 0, err
    found = json.loads(target.read_text())
    alone = evaluate(mars_lib.load("separator-small", "cpu"), "test", "text", limit=4)
    for metric, scale in (("si_sdri", 1), ("judge", 100)):
        ours, base = (
            each["systems"][name][metric]["mean"]
            for each, name in ((found, "pathwise-small"), (alone, "separator-small"))
        )
        assert found["against"][metric]["mean"] == pytest.approx(ours - base, abs=1e-9)
        assert f"{scale * (ours - base):+.2f} [" in out
    assert "pathwise-small minus separator-small, SI-SDRi: " in out and "of 4 mixtures" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "result.json",
        "result.mixtures.jsonl",
    ]


def test_a_mixture_without_a_score_is_left_out_of_the_difference_and_others_are_refused(tmp_path):
    def write(name, *scores):
        rows = (
            {"index": i, "classes": ["a", "b"], "mine": {"si_sdri": x, "judge": None}}
            for i, x in enumerate(scores)
        )
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    ours, base = write("ours", 3.0, None, 5.0), write("base", 1.0, 1.0, 2.0)
    found = paired(ours, base)
    assert list(found) == ["si_sdri"]
    assert found["si_sdri"]["mean"] == 2.5 and found["si_sdri"]["mixtures"] == 2
    with pytest.raises(InputError, match="are of other mixtures"):
        paired(ours, write("fewer", 1.0, 1.0))
