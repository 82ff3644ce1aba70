"""`mars benchmark`: what it scores, how it summarises, and that RESULTS.md is what it wrote."""

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mars_lib import config
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.check import InputError
from mars_lib.data import manifests
from mars_lib.evaluation import metrics, scoring
from mars_lib.experiments import (
    benchmark,
    compared_systems,
    comparison,
    results_page,
    results_tables,
    score_table,
)
from mars_lib.experiments.comparison import SYSTEMS
from mars_lib.experiments.results import AGAINST_SIGNAL, AGAINST_SUPERVISED, Results
from mars_lib.experiments.score_summary import one_family, summarise
from mars_lib.experiments.score_table import EstimateKey, ScoreTable
from mars_lib.io import checkpoint
from mars_lib.training.method import OMNISEP
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.state import separator_checkpoint


def save(folder, method, name, settings):
    torch.manual_seed(0)
    network = method.build(settings)
    tensors, meta = separator_checkpoint(config.to_dict(settings), network, method.kind)
    checkpoint.save(folder / f"{name}.safetensors", tensors, meta)
    return network.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("systems")
    ours = (
        "omnisep-0",
        "omnisep-1",
        "mars-sep-0",
        "mars-sep-one-stage-0",
        "mars-sep-not-aligned-0",
        "si-sdr-0",
        "si-sdr-sampled-0",
    )
    for method, name in (*((OMNISEP, name) for name in ours), (AUDIOSEP, "audiosep-0")):
        save(folder, method, name, config.smoke())
    return folder


def four(folder):
    return [each for each in compared_systems.load(folder) if each.system in SYSTEMS]


@pytest.fixture(scope="module")
def scores(folder):
    return score_table.measure("test", four(folder), limit=3, progress=False, batch_size=2)


def test_every_system_is_scored_in_every_mode(scores):
    assert scores.modes == ("text", "audio", "image", "composed", "negative")
    seeds = {"audiosep": [0], "omnisep": [0, 1], "mars-sep": [0], "oracle": [0], "mixture": [0]}
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


def test_a_score_is_what_a_separator_and_the_metrics_give_one_by_one(scores, folder, shipped):
    first = next(each for each in compared_systems.load(folder) if each.system == "audiosep")
    row, music = manifests.read("test")[2], manifests.music()
    mixture, reference = manifests.render(row, music)
    query = shipped.encoder.embed_text(list(row.classes))
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
    found = summarise(made({"omnisep": [[1, 2, 3], [3, 4, 5]], "mars-sep": [[4, 3, 4]]}))["text"]
    assert found["omnisep"]["si_sdri"]["mean"] == 3 and found["omnisep"]["seeds"] == 2
    against = found["mars-sep"]["against"]["si_sdri"]
    assert against["mean"] == pytest.approx(2 / 3) and against["share_better"] == pytest.approx(
        1 / 3
    )
    assert "against" not in found["omnisep"]


def test_a_mixture_skipped_for_one_is_left_out_for_all():
    found = summarise(made({"omnisep": [[1, 2, 9]], "mars-sep": [[2, 3, np.nan]]}))["text"]
    assert found["omnisep"]["mixtures"] == 2 and found["omnisep"]["si_sdri"]["mean"] == 1.5
    with pytest.raises(InputError, match="has 1 mixtures"):
        summarise(made({"omnisep": [[1, np.nan]]}))


def test_a_score_that_means_nothing_is_left_out_of_its_own_mean_alone():
    """For all systems, as they are compared; what bounds them is left out for itself."""
    scores = made(
        {
            "omnisep": [[1, 2, 9], [1, 2, 9]],
            "mars-sep": [[2, 3, 1]],
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
    assert found["omnisep"]["sir"]["mean"] == 1.5 and found["mars-sep"]["sir"]["mean"] == 2.5
    counts = {
        name: (row["si_sdri"]["left_out"], row["sir"]["left_out"]) for name, row in found.items()
    }
    assert counts == {"omnisep": (0, 1), "mars-sep": (0, 1), "oracle": (0, 2), "mixture": (0, 1)}
    assert "sar" not in found["mixture"] and found["oracle"]["sar"]["mean"] == 20
    page = results_tables.systems_table(found)
    assert "| mixture | 0.00 ± 0.00 [0.00, 0.00] | 0.00 ± 0.00 | 0.00 ± 0.00 |  |" in page
    assert page.endswith(
        "MARS-Sep (pathwise, sampled mask) SIR 1, oracle mask SIR 2, mixture SIR 1, mixture SAR 3."
    )


def test_intervals_of_a_summary_are_over_seeds_too():
    apart = [[0, 1, 0, 1], [4, 5, 4, 5], [8, 9, 8, 9]]
    found = summarise(made({"omnisep": apart, "mars-sep": np.add(apart, 1)}))["text"]
    low, high = found["omnisep"]["si_sdri"]["ci95"]
    assert high - low > 6
    # Seed by seed they are one apart.
    assert found["mars-sep"]["against"]["si_sdri"]["ci95"] == pytest.approx((1, 1))


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
    gains = scores.values("text", "mars-sep", "si_sdri")[0]
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
            "MARS-Sep (pathwise, sampled mask)",
        ]
        torch.testing.assert_close(
            row["target"] + row["interference"], row["mixture"], atol=1e-6, rtol=1e-4
        )


class Louder:
    """In the place of a CLAP: a similarity that is known."""

    name = "louder"

    def score(self, estimate, names):
        assert len(names) == len(estimate)
        return estimate.abs().amax(dim=-1)


def test_everything_is_written_from_one_run(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "one_family", lambda scores: np.ones(len(scores.classes), bool))
    readme = (
        "a\n<!-- headline -->\n\n| old |\n\n<!-- end -->\nb\n"
        "<!-- reward encoders --><!-- end -->\n| mixture (floor) | 9 |\n"
    )
    (tmp_path / "README.md").write_text(readme)
    with pytest.warns(
        UserWarning, match="no checkpoints si-sdr-1, si-sdr-sampled-1, .*`mars train systems`"
    ):
        results, examples = benchmark.run(
            compared_systems.load(folder), limit=3, progress=False, clap=Louder()
        )
    results_page.write(results, examples, tmp_path)
    found = results.to_json()
    again = (tmp_path / "README.md").read_text()
    assert (
        results_tables.headline(results) in again
        and results_tables.reward_encoder_table(results) in again
        and results_tables.bounds(results)[1] in again
    )
    assert (
        "old" not in again
        and "| 9 |" not in again
        and again.startswith("a\n<!--")
        and "\nb\n" in again
    )
    page = (tmp_path / "RESULTS.md").read_text()
    assert json.loads((tmp_path / "data" / "results.json").read_text()) == found
    for part in (
        "OmniSep",
        "AudioSep",
        "reverberation time, s",
        "for what is not there",
        "of one family",
        "reward encoder not aligned",
        "stage2",
        "`louder`",
        "reward is sim + 0.03 SI-SDR, and WBCE x 0.3",
        "against supervised + SI-SDR loss, sampled mask",
    ):
        assert part in page
    assert scoring.left_out({"mixture": {"SAR": 3}}) in page
    assert "CLAP_t" in page and "mars-sep-one-stage" not in results.splits["test"]["text"]
    rewarded = results.reward_encoders
    assert rewarded[AGAINST_SUPERVISED]["audio"]["mars-sep"]["seeds"] == 1
    assert "against" not in rewarded[AGAINST_SIGNAL]["text"]["si-sdr-sampled"]
    assert found["missing"] == [f"{name}-1" for name in benchmark.REWARDED[1:]]
    mixture = torch.stack(
        [manifests.render(row, manifests.music())[0] for row in manifests.read("test")[:3]]
    )
    assert found["splits"]["test"]["text"]["mixture"]["clap"]["mean"] == pytest.approx(
        mixture.abs().amax(dim=-1).mean().item(), rel=1e-5
    )
    for name in ("cases.png", "robustness.png"):
        assert (tmp_path / "docs" / name).read_bytes().startswith(b"\x89PNG")


def test_what_is_not_there_to_be_compared_is_named(folder, tmp_path):
    systems = [
        each for each in compared_systems.load(folder) if not each.system.startswith("si-sdr-")
    ]
    assert benchmark.compare_reward_encoders(systems, 3) is None
    assert {"si-sdr-sampled-0", "si-sdr-sampled-1"} < set(benchmark.missing(systems))
    assert (
        benchmark.missing([each for each in compared_systems.load(folder) if each.seed == 0]) == []
    )


def test_the_fair_control_differs_from_mars_sep_in_the_reward_encoder_alone(
    monkeypatch, tmp_path, shipped
):
    runs = {}
    monkeypatch.setattr(comparison, "train_supervised", lambda *a, **k: None)
    monkeypatch.setattr(
        comparison,
        "train_rl",
        lambda start, run, *a, **k: runs.setdefault(a[3].name, (run, k["reward_encoder"])),
    )
    monkeypatch.setattr(comparison.QueryBank, "embed", lambda *a, **k: None)
    for name in ("start", *compared_systems.NAMES):
        (tmp_path / name).mkdir()
    trained = comparison.train_systems(
        config.smoke(), manifests.music(), shipped.encoder, tmp_path, progress=False
    )
    assert set(trained) == set(compared_systems.NAMES)
    (ours, reward_encoder), (fair, none), (unsampled, _) = (
        runs[name] for name in ("mars-sep", "si-sdr-sampled", "si-sdr")
    )
    assert reward_encoder is not None and none is None and ours.reward == "fused"
    assert replace(fair, reward="fused") == ours and replace(fair, estimator="mode") == unsampled


def test_controls_are_held_against_the_one_that_samples_too(root):
    spec = importlib.util.spec_from_file_location("controls", root / "benchmarks" / "controls.py")
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


def test_alignment_alone_queries_the_same_separator_in_another_embedding_space(folder):
    systems = [each for each in four(folder) if each.system == "omnisep" and each.seed == 1]
    plain, adapted = compared_systems.alignment_alone(systems, clips=2, progress=False)
    assert plain.network is systems[0].network and plain.heads == adapted.heads == "stage3"
    changed = {
        k
        for k, v in adapted.network.state_dict().items()
        if not torch.equal(v, plain.network.state_dict()[k])
    }
    assert changed == {"gate.channels.weight", "gate.channels.bias"}
    assert (plain.seed, adapted.seed) == (1, 1)


def test_checkpoints_that_are_none_of_a_system(tmp_path):
    with pytest.raises(InputError, match="are not there"):
        compared_systems.load(tmp_path)
    save(tmp_path, OMNISEP, "best", config.smoke())
    with pytest.raises(InputError, match="is of no system"):
        compared_systems.load(tmp_path)


@pytest.fixture(scope="module")
def written(root):
    text = (root / "data" / "results.json").read_text(encoding="utf-8")
    return Results.from_json(json.loads(text))


def test_results_are_read_as_they_were_written(root, written):
    text = (root / "data" / "results.json").read_text(encoding="utf-8")
    assert json.dumps(written.to_json(), indent=2) + "\n" == text


def test_results_page_is_what_the_benchmark_wrote(root, written):
    assert (root / "RESULTS.md").read_text(encoding="utf-8") == results_page.markdown(written)
    assert written.systems == sorted(
        path.stem for path in (root / "data" / "checkpoints" / "systems").glob("*.safetensors")
    )


def test_readme_quotes_the_results(root, written):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert results_page.quoted(readme, written) == readme
    assert results_tables.headline(written) in readme
    assert results_tables.reward_encoder_table(written) in readme
    assert all(row in readme for row in results_tables.bounds(written))
