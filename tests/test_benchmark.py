"""`mars benchmark`: what it scores, how it summarises, and that RESULTS.md is what it wrote."""

import json

import numpy as np
import pytest
import torch

from mars_lib import benchmark, config, contenders, results
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.check import InputError
from mars_lib.data import manifests
from mars_lib.evaluation import metrics
from mars_lib.training import checkpoint
from mars_lib.training.comparison import SYSTEMS
from mars_lib.training.loop import separator_checkpoint
from mars_lib.training.method import OMNISEP


def save(folder, method, name, settings):
    torch.manual_seed(0)
    network = method.build(settings)
    tensors, meta = separator_checkpoint(config.to_dict(settings), network, method.kind)
    checkpoint.save(folder / f"{name}.safetensors", tensors, meta)
    return network.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("systems")
    ours = ("omnisep-0", "omnisep-1", "mars-sep-0", "mars-sep-one-stage-0", "mars-sep-not-aligned-0", "si-sdr-0")
    for method, name in (*((OMNISEP, name) for name in ours), (AUDIOSEP, "audiosep-0")):
        save(folder, method, name, config.smoke())
    return folder


def four(folder):
    return [each for each in contenders.load(folder) if each.system in SYSTEMS]


@pytest.fixture(scope="module")
def scores(folder):
    return benchmark.score("test", four(folder), limit=3, progress=False, batch_size=2)


def test_every_system_is_scored_in_every_mode(scores):
    assert list(scores.values) == ["text", "audio", "image", "composed", "negative"]
    for by_system in scores.values.values():
        shapes = {name: table.shape for name, table in by_system.items()}
        seeds = {"omnisep": 2, "mars-sep": 1, "audiosep": 1, "oracle": 1, "mixture": 1}
        assert shapes == {name: (count, 3, 8) for name, count in seeds.items()}
    gains = scores.values["text"]["mixture"][0, :, benchmark.SCORES.index("si_sdri")]
    np.testing.assert_allclose(gains, 0, atol=1e-4)


def test_a_score_is_what_a_separator_and_the_metrics_give_one_by_one(scores, folder, shipped):
    first = next(each for each in contenders.load(folder) if each.system == "audiosep")
    row, music = manifests.read("test")[2], manifests.music()
    mixture, reference = manifests.render(row, music)
    query = shipped.encoder.embed_text(list(row.classes))
    query = 1.5 * query - 0.5 * query.flip(0)
    estimate = first.separate(first.network, mixture[None], query[None])[0]
    expected = metrics.si_sdr_improvement(estimate=estimate, reference=reference, mixture=mixture, permute=True).mean
    assert scores.values["negative"]["audiosep"][0, 2, 0] == pytest.approx(expected, abs=1e-3)


def made(values):
    """Scores of two mixtures by hand: `values[system]` is (seeds, mixtures) of SI-SDRi."""
    tables = {name: np.repeat(np.asarray(v, dtype=float)[..., None], 8, axis=2) for name, v in values.items()}
    pair = manifests.read("test")[0].classes
    return benchmark.Scores("test", "appendix-c", [pair] * len(next(iter(values.values()))[0]), {"text": tables})


def test_seeds_are_averaged_before_mixtures_are_paired():
    found = benchmark.summarise(made({"omnisep": [[1, 2, 3], [3, 4, 5]], "mars-sep": [[4, 3, 4]]}))["text"]
    assert found["omnisep"]["si_sdri"]["mean"] == 3 and found["omnisep"]["seeds"] == 2
    against = found["mars-sep"]["against"]["si_sdri"]
    assert against["mean"] == pytest.approx(2 / 3) and against["share_better"] == pytest.approx(1 / 3)
    assert "against" not in found["omnisep"]


def test_a_mixture_skipped_for_one_is_left_out_for_all():
    found = benchmark.summarise(made({"omnisep": [[1, 2, 9]], "mars-sep": [[2, 3, np.nan]]}))["text"]
    assert found["omnisep"]["mixtures"] == 2 and found["omnisep"]["si_sdri"]["mean"] == 1.5
    with pytest.raises(InputError, match="has 1 mixtures"):
        benchmark.summarise(made({"omnisep": [[1, np.nan]]}))


def test_pairs_of_one_family_follow_the_class_list():
    rows = manifests.read("unseen")
    scores = benchmark.Scores("unseen", "appendix-c", [row.classes for row in rows], {})
    family = {sound.name: sound.family for row in rows for sound in row.sounds()}
    chosen = benchmark.one_family(scores)
    assert chosen.tolist() == [family[a] == family[b] for a, b in scores.classes] and 20 < chosen.sum() < 100


def test_cases_are_the_worst_the_median_and_the_best(folder, scores):
    found = benchmark.cases(four(folder), scores)
    gains = scores.values["text"]["mars-sep"][0, :, 0]
    order = [scores.classes[i] for i in np.argsort(gains)]
    assert list(found) == [f"{label}: {a}, with {b}" for label, (a, b) in zip(("worst", "median", "best"), order)]
    for row in found.values():
        assert list(row) == ["mixture", "target", "interference", "AudioSep", "OmniSep", "MARS-Sep"]
        torch.testing.assert_close(row["target"] + row["interference"], row["mixture"], atol=1e-6, rtol=1e-4)


class Louder:
    """In the place of a CLAP: a similarity that is known."""

    name = "louder"

    def score(self, estimate, names):
        assert len(names) == len(estimate)
        return estimate.abs().amax(dim=-1)


def test_everything_is_written_from_one_run(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "one_family", lambda scores: np.ones(len(scores.classes), bool))
    found, cases = benchmark.run(contenders.load(folder), limit=3, progress=False, clap=Louder())
    results.write(found, cases, tmp_path)
    page = (tmp_path / "RESULTS.md").read_text()
    assert json.loads((tmp_path / "data" / "results.json").read_text()) == found
    for part in ("OmniSep", "AudioSep", "reverberation time, s", "for what is not there", "of one family", "ear not aligned", "stage2", "`louder`"):
        assert part in page
    assert "CLAP_t" in page and "mars-sep-one-stage" not in found["splits"]["test"]["text"]
    assert found["ears"]["against supervised"]["audio"]["mars-sep"]["seeds"] == 1
    assert "against" not in found["ears"]["against SI-SDR"]["text"]["si-sdr"]
    mixture = torch.stack([manifests.render(row, manifests.music())[0] for row in manifests.read("test")[:3]])
    assert found["splits"]["test"]["text"]["mixture"]["clap"]["mean"] == pytest.approx(mixture.abs().amax(dim=-1).mean().item(), rel=1e-5)
    for name in ("cases.png", "robustness.png"):
        assert (tmp_path / "docs" / name).read_bytes().startswith(b"\x89PNG")


def test_alignment_alone_asks_the_same_separator_in_another_language(folder):
    systems = [each for each in four(folder) if each.system == "omnisep" and each.seed == 1]
    plain, adapted = contenders.alignment_alone(systems, clips=2, progress=False)
    assert plain.network is systems[0].network and plain.heads == adapted.heads == "stage3"
    changed = {k for k, v in adapted.network.state_dict().items() if not torch.equal(v, plain.network.state_dict()[k])}
    assert changed == {"gate.channels.weight", "gate.channels.bias"}
    assert (plain.seed, adapted.seed) == (1, 1)


def test_checkpoints_that_are_none_of_a_system(tmp_path):
    with pytest.raises(InputError, match="are not there"):
        contenders.load(tmp_path)
    save(tmp_path, OMNISEP, "best", config.smoke())
    with pytest.raises(InputError, match="is of no system"):
        contenders.load(tmp_path)


@pytest.fixture(scope="module")
def written(root):
    return json.loads((root / "data" / "results.json").read_text(encoding="utf-8"))


def test_results_page_is_what_the_benchmark_wrote(root, written):
    assert (root / "RESULTS.md").read_text(encoding="utf-8") == results.markdown(written)
    assert written["systems"] == sorted(path.stem for path in (root / "data" / "checkpoints" / "systems").glob("*.safetensors"))


def test_readme_quotes_the_results(root, written):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert results.headline(written) in readme and results.ears_table(written) in readme
