"""The scores of `mars benchmark`, and how they are summarised."""

import numpy as np
import pytest
import torch

from mars_lib.check import InputError
from mars_lib.data import manifests
from mars_lib.evaluation import metrics, scoring
from mars_lib.experiments import benchmark, compared_systems, results_tables, score_table
from mars_lib.experiments.score_summary import one_family, summarise
from mars_lib.experiments.score_table import EstimateKey, ScoreTable
from tests.experiments.systems import four


@pytest.fixture(scope="module")
def scores(folder):
    return score_table.measure("test", four(folder), limit=3, progress=False, batch_size=2)


def test_every_system_is_scored_in_every_mode(scores):
    assert scores.modes == ("text", "audio", "image", "composed", "negative")
    seeds = {"audiosep": [0], "omnisep": [0, 1], "pathwise": [0], "oracle": [0], "mixture": [0]}
    for mode in scores.modes:
        assert scores.seeds(mode) == seeds
        shapes = {name: scores.of_system(mode, name).shape for name in seeds}
        assert shapes == {name: (len(of), 3, 8) for name, of in seeds.items()}
    gains = scores.values("text", "mixture", "si_sdri")
    np.testing.assert_allclose(gains, np.zeros((1, 3)), atol=1e-4)


def test_a_table_keeps_every_score_in_its_place():
    """Systems, seeds, modes and metrics are told apart; what was not measured is NaN."""
    one, other = scoring.Score(1, 2, 3, 4, 5, 0.5, 1.0), scoring.Score(6, 7, 8, 9, None, 1.0, 0.0)
    keys = [EstimateKey("a", seed, mode) for seed in (4, 2) for mode in ("text", "audio")]
    scores = {key: [one, other] if key.seed == 4 else [other, one] for key in keys}
    scores[keys[1]] = [one, one]
    scores[EstimateKey("mixture", 0, None)] = [scoring.Score(), one]
    rows = score_table.tabulate(scores)
    table = ScoreTable("test", "appendix-c", ("text", "audio"), [("x", "y")] * 2, rows)
    assert table.seeds("text") == table.seeds("audio") == {"a": [4, 2], "mixture": [0]}
    assert table.values("text", "a", "si_sdri").tolist() == [[1, 6], [6, 1]]
    assert table.values("audio", "a", "judge").tolist() == [[1, 1], [0, 1]]
    assert np.isnan(table.values("text", "a", "sar")).tolist() == [[False, True], [True, False]]
    assert np.isnan(table.of_system("audio", "mixture")[0, 0]).all()


def test_a_score_is_what_a_separator_and_the_metrics_give_one_by_one(scores, folder, minibind):
    first = next(each for each in compared_systems.load(folder) if each.system == "audiosep")
    row, music = manifests.read("test")[2], manifests.music()
    mixture, reference = manifests.render(row, music)
    query = minibind.embed_text(list(row.classes))
    query = 1.5 * query - 0.5 * query.flip(0)
    estimate = first.separate(first.network, mixture[None], query[None])[0]
    expected = metrics.si_sdr_improvement(
        estimate=estimate, reference=reference, mixture=mixture, permute=True
    ).mean
    found = scores.values("negative", "audiosep", "si_sdri")[0, 2]
    assert found == pytest.approx(expected, abs=1e-3)


def made(values):
    """A table of two or more mixtures by hand: `values[system]` is (seeds, mixtures) of every
    metric.
    """
    rows = {
        EstimateKey(name, seed, None if name in score_table.BOUNDS else "text"): np.repeat(
            np.asarray(row, dtype=float)[:, None], 8, axis=1
        )
        for name, by_seed in values.items()
        for seed, row in enumerate(by_seed)
    }
    pair, count = manifests.read("test")[0].classes, len(next(iter(rows.values())))
    return ScoreTable("test", "appendix-c", ("text",), [pair] * count, rows)


def test_seeds_are_averaged_before_mixtures_are_paired():
    found = summarise(made({"omnisep": [[1, 2, 3], [3, 4, 5]], "pathwise": [[4, 3, 4]]}))["text"]
    assert found["omnisep"]["si_sdri"]["mean"] == 3 and found["omnisep"]["seeds"] == 2
    against = found["pathwise"]["against"]["si_sdri"]
    assert against["mean"] == pytest.approx(2 / 3) and against["share_better"] == pytest.approx(
        1 / 3
    )
    assert "against" not in found["omnisep"]


def test_a_mixture_skipped_for_one_is_left_out_for_all():
    found = summarise(made({"omnisep": [[1, 2, 9]], "pathwise": [[2, 3, np.nan]]}))["text"]
    assert found["omnisep"]["mixtures"] == 2 and found["omnisep"]["si_sdri"]["mean"] == 1.5
    with pytest.raises(InputError, match="has 1 mixtures"):
        summarise(made({"omnisep": [[1, np.nan]]}))


def test_a_score_that_means_nothing_is_left_out_of_its_own_mean_alone():
    """For all systems, as they are compared; what bounds them is left out for itself."""
    scores = made(
        {
            "omnisep": [[1, 2, 9], [1, 2, 9]],
            "pathwise": [[2, 3, 1]],
            "oracle": [[20, 20, 20]],
            "mixture": [[0, 0, 0]],
        }
    )
    sir, sar = score_table.METRICS.index("sir"), score_table.METRICS.index("sar")
    scores.rows["omnisep", 1, "text"][2, sir] = np.nan
    scores.rows["oracle", 0, None][0, sir] = np.nan
    scores.rows["mixture", 0, None][:, sar] = np.nan
    found = summarise(scores)["text"]
    assert found["omnisep"]["si_sdri"]["mean"] == 4 and found["omnisep"]["mixtures"] == 3
    assert found["omnisep"]["sir"]["mean"] == 1.5 and found["pathwise"]["sir"]["mean"] == 2.5
    counts = {
        name: (row["si_sdri"]["left_out"], row["sir"]["left_out"]) for name, row in found.items()
    }
    assert counts == {"omnisep": (0, 1), "pathwise": (0, 1), "oracle": (0, 2), "mixture": (0, 1)}
    assert "sar" not in found["mixture"] and found["oracle"]["sar"]["mean"] == 20
    page = results_tables.systems_table(found)
    assert "| mixture | 0.00 ± 0.00 [0.00, 0.00] | 0.00 ± 0.00 | 0.00 ± 0.00 |  |" in page
    assert page.endswith(
        "pathwise RL (ours) SIR 1, oracle mask SIR 2, mixture SIR 1, mixture SAR 3."
    )


def test_intervals_of_a_summary_are_over_seeds_too():
    apart = [[0, 1, 0, 1], [4, 5, 4, 5], [8, 9, 8, 9]]
    found = summarise(made({"omnisep": apart, "pathwise": np.add(apart, 1)}))["text"]
    low, high = found["omnisep"]["si_sdri"]["ci95"]
    assert high - low > 6
    # Seed by seed they are one apart.
    assert found["pathwise"]["against"]["si_sdri"]["ci95"] == pytest.approx((1, 1))


def test_pairs_of_one_family_follow_the_class_list():
    rows = manifests.read("unseen")
    scores = ScoreTable("unseen", "appendix-c", (), [row.classes for row in rows], {})
    family = {sound.name: sound.family for row in rows for sound in row.sounds()}
    chosen = one_family(scores)
    assert (
        chosen.tolist() == [family[a] == family[b] for a, b in scores.classes]
        and 20 < chosen.sum() < 100
    )


def test_examples_are_the_worst_the_median_and_the_best(folder, scores):
    found = benchmark.example_mixtures(four(folder), scores)
    gains = scores.values("text", "pathwise", "si_sdri")[0]
    order = [scores.classes[i] for i in np.argsort(gains)]
    assert list(found) == [
        f"{label}: {a}, with {b}" for label, (a, b) in zip(("worst", "median", "best"), order)
    ]
    for row in found.values():
        assert list(row) == [
            "mixture",
            "target",
            "interference",
            "AudioSep (supervised)",
            "OmniSep (supervised)",
            "pathwise RL (ours)",
        ]
        torch.testing.assert_close(
            row["target"] + row["interference"], row["mixture"], atol=1e-6, rtol=1e-4
        )
