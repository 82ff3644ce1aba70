"""`mars benchmark`: what it compares, and that RESULTS.md is what it wrote."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.data import manifests
from mars_lib.evaluation import scoring
from mars_lib.experiments import (
    benchmark,
    compared_systems,
    comparison,
    results_page,
    results_tables,
)
from mars_lib.experiments.results import AGAINST_SIGNAL, AGAINST_SUPERVISED, Results
from mars_lib.training.method import OMNISEP
from tests.experiments.systems import four, save


class Louder:
    """In the place of a CLAP: a similarity that is known."""

    name = "louder"

    def score(self, estimate, names):
        assert len(names) == len(estimate)
        return estimate.abs().amax(dim=-1)


def test_everything_is_written_from_one_run(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "one_family", lambda scores: np.ones(len(scores.classes), bool))
    page = (
        "a\n<!-- headline -->\n\n| old |\n\n<!-- end -->\nb\n"
        "<!-- reward encoders --><!-- end -->\n| mixture (floor) | 9 |\n"
    )
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "results.md").write_text(page)
    with pytest.warns(
        UserWarning, match="no checkpoints si-sdr-1, si-sdr-sampled-1, .*`mars train systems`"
    ):
        results, examples = benchmark.run(
            compared_systems.load(folder), limit=3, progress=False, clap=Louder()
        )
    results_page.write(results, examples, tmp_path)
    found = results.to_json()
    again = (tmp_path / "docs" / "results.md").read_text()
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
        "an absent class",
        "of one family",
        "reward encoder not aligned",
        "stage2",
        "`louder`",
        "reward is sim + 0.03 SI-SDR, and WBCE x 0.3",
        "against supervised + SI-SDR loss, sampled mask",
    ):
        assert part in page
    assert scoring.left_out({"mixture": {"SAR": 3}}) in page
    assert "CLAP_t" in page and "pathwise-one-stage" not in results.splits["test"]["text"]
    rewarded = results.reward_encoders
    assert rewarded[AGAINST_SUPERVISED]["audio"]["pathwise"]["seeds"] == 1
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


def test_the_fair_control_differs_from_pathwise_in_the_reward_encoder_alone(
    monkeypatch, tmp_path, minibind
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
        config.smoke(), manifests.music(), minibind, tmp_path, progress=False
    )
    assert set(trained) == set(compared_systems.NAMES)
    (ours, reward_encoder), (fair, none), (unsampled, _) = (
        runs[name] for name in ("pathwise", "si-sdr-sampled", "si-sdr")
    )
    assert reward_encoder is not None and none is None and ours.reward == "fused"
    assert replace(fair, reward="fused") == ours and replace(fair, estimator="mode") == unsampled


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


def test_systems_of_two_encoders_are_not_compared(tmp_path):
    for name, encoder in (("omnisep-0", "minibind"), ("omnisep-1", "minibind2")):
        save(tmp_path, OMNISEP, name, replace(config.smoke(), encoder=encoder))
    with pytest.raises(InputError, match="are of several encoders: minibind, minibind2"):
        compared_systems.load(tmp_path)


def test_a_benchmark_without_the_system_that_chooses_its_examples_says_so_first(folder):
    systems = [each for each in compared_systems.load(folder) if each.system != "pathwise"]
    with pytest.raises(InputError, match=r"checkpoint pathwise-0.safetensors: is not there"):
        benchmark.run(systems, limit=3, progress=False)


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


def test_the_page_of_results_quotes_them(root, written):
    page = (root / "docs" / "results.md").read_text(encoding="utf-8")
    assert results_page.quoted(page, written) == page
    assert results_tables.headline(written) in page
    assert results_tables.reward_encoder_table(written) in page
    assert all(row in page for row in results_tables.bounds(written))


def test_readme_has_the_numbers_of_that_page(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    page = (root / "docs" / "results.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (text|audio|image) \|(.*)\|$", readme, re.MULTILINE)
    assert len(rows) == 3
    for query, cells in rows:
        test, unseen, recordings = (cell.strip() for cell in cells.split("|"))
        assert re.search(rf"^\| {query} \| {test} \[.*\| {unseen} \[", page, re.MULTILINE)
        assert f"{recordings} dB" in page or f"{recordings} [" in page
