"""Scores of systems on the same mixtures: guard, protocols, what is left out."""

import pytest
import torch

from mars_lib.check import InputError
from mars_lib.data import manifests
from mars_lib.evaluation import metrics, scoring
from mars_lib.experiments.evaluate import oracle
from mars_lib.experiments.evaluation_report import report
from mars_lib.inference import system
from tests.evaluation.noise import coloured


def test_rounding_is_no_score_of_the_mixture_where_it_is_found():
    """Mixture 67 of `test`: a bird that has flown before the telephone rings. An ideal mask is
    perfect there.
    """
    row = manifests.read("test")[67]
    mixture, reference = (x[None] for x in manifests.render(row, manifests.music()))
    bounds = {
        "oracle": oracle(system.load().separator, mixture, reference),
        "mixture": mixture[:, None].expand_as(reference),
    }
    scores = scoring.score(bounds, reference, mixture)
    ideal, same = scores["oracle"][0], scores["mixture"][0]
    assert (ideal.si_sdri, ideal.si_sdr, ideal.sdr, ideal.sir, ideal.sar) == (None,) * 5
    assert not ideal.skipped and ideal.closer_to_target == 1
    assert same.sar is None and same.sir == pytest.approx(0, abs=0.01) and same.si_sdri == 0


def test_what_means_nothing_is_left_out_of_its_own_mean_and_counted():
    good, odd = scoring.Score(5, 5, 5, 9, 20, 1), scoring.Score(7, 7, 7, None, None, 0)
    rows = {"a": [good, odd], "b": [good, good], "c": [odd, odd], "silent": [good, good]}
    systems, skipped = scoring.table(rows)
    assert skipped == 0
    assert systems["a"]["si_sdri"]["mean"] == 6 and systems["a"]["si_sdri"]["left_out"] == 0
    assert systems["a"]["sir"]["mean"] == 9 and systems["a"]["sir"]["left_out"] == 1
    assert systems["b"]["sir"]["left_out"] == 0 and systems["b"]["closer_to_target"] == 1
    assert "sir" not in systems["c"] and systems["c"]["sdr"]["mean"] == 7
    text = report(
        {"split": "test", "query": "text", "mixtures": 2, "skipped": 0, "systems": systems}
    )
    assert text.endswith(
        "Left out of a mean, as beyond 100 dB: a SIR 1, a SAR 1, c SIR 2, c SAR 2."
    )


@pytest.mark.parametrize("silent_too", [False, True])
def test_a_separator_that_is_all_wrong_has_no_infinite_score(silent_too):
    reference = torch.zeros(1, 2, 4_000, dtype=torch.float64)
    reference[0, 0, :1_000], reference[0, 1, 2_000:3_000] = coloured(17, 2)[:, :1_000]
    reference -= reference.mean(dim=-1, keepdim=True)
    mixture = reference.sum(dim=1)
    # Asked for one, it returns what is orthogonal to it.
    wrong = torch.stack([mixture[0] * (torch.arange(4_000) >= 2_000)] * 2)[None]
    wrong = wrong - wrong.mean(dim=-1, keepdim=True)
    wrong[0, 0] -= (
        torch.vdot(wrong[0, 0], reference[0, 0]) / reference[0, 0].square().sum() * reference[0, 0]
    )
    if silent_too:
        wrong[0, 1] = 0
    row = scoring.score({"a": wrong}, reference, mixture, "target-only")["a"][0]
    assert row.skipped == silent_too and row.si_sdr is None and row.si_sdri is None


def test_energy_guard_skips_and_counts():
    silent = torch.zeros(1_000)
    assert metrics.is_silent(silent) and metrics.is_silent(silent + 1e-9)
    assert not metrics.is_silent(silent + 2e-8)
    reference = coloured(8, 4, 2)
    mixture = reference.sum(dim=1)
    estimate = reference + 0.1
    estimate[1, 0] = 0
    reference[2, 1] = 0
    rows = scoring.score({"a": estimate}, reference, mixture)["a"]
    assert [row.skipped for row in rows] == [False, True, True, False]
    systems, skipped = scoring.table({"a": rows, "b": rows})
    assert skipped == 2 and systems["a"] == systems["b"]


def test_doing_nothing_improves_nothing():
    reference = coloured(9, 2, 2)
    mixture = reference.sum(dim=1)
    same = mixture[:, None].expand_as(reference)
    for protocol in scoring.PROTOCOLS:
        for row in scoring.score({"a": same}, reference, mixture, protocol)["a"]:
            assert row.si_sdri == pytest.approx(0, abs=1e-9) and row.sar is None


def test_protocols_differ_as_they_say():
    reference = coloured(10, 1, 2)
    mixture = reference.sum(dim=1)
    swapped = reference.flip(1) + 0.05 * mixture[:, None]
    forgiving = scoring.score({"a": swapped}, reference, mixture, "appendix-c")["a"][0]
    strict = scoring.score({"a": swapped}, reference, mixture, "target-only")["a"][0]
    assert forgiving.si_sdri > 10 and strict.si_sdri < -10
    assert forgiving.closer_to_target == strict.closer_to_target == 0
    with pytest.raises(InputError, match="appendix-c, target-only"):
        scoring.score({"a": swapped}, reference, mixture, "best of all")


def test_verdicts_of_a_judge_are_averaged_over_the_sources_scored():
    reference = coloured(12, 3, 2)
    reference[1] = 0
    mixture, estimate = reference.sum(dim=1), reference + 0.1 * reference.flip(1)
    judged = {"a": torch.tensor([[1, 0], [1, 1], [1, 1]])}
    for protocol, expected in (("appendix-c", [0.5, None, 1]), ("target-only", [1, None, 1])):
        rows = scoring.score({"a": estimate}, reference, mixture, protocol, judged)["a"]
        assert [row.judge for row in rows] == expected
    systems, _ = scoring.table({"a": rows})
    assert systems["a"]["judge"]["mean"] == 1
    unjudged, _ = scoring.table(scoring.score({"a": estimate}, reference, mixture))
    assert "judge" not in unjudged["a"]
