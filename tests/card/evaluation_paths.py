"""Separation and evaluation with the networks on `device`; training is in `tests/card/paths.py`."""

import pytest
import soundfile
import torch

import mars_lib
from mars_lib import config, waveform
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.course import reward_encoder
from mars_lib.data import manifests
from mars_lib.evaluation import metrics
from mars_lib.experiments import (
    benchmark,
    compared_systems,
    evaluate,
    robustness,
)
from mars_lib.inference import pretrained, system
from mars_lib.io import checkpoint
from mars_lib.show import plots
from mars_lib.training.method import OMNISEP
from mars_lib.training.mlbp import train_mlbp
from mars_lib.training.state import separator_checkpoint
from tests.card.networks import CPU, SHORT, place, small


def test_separating_waveforms_and_files(device, tmp_path):
    loaded, sound = mars_lib.load(device=device), 0.1 * torch.randn(2, 20_000)
    picture = torch.rand(3, 224, 224)
    query = loaded.query(text="violin", audio=(sound, 16_000), image=picture, negative_text="harp")
    assert loaded.separate(sound, 22_050, text="violin").shape == sound.shape
    # Whatever device the queries are on, the estimates are where the sound is.
    for where in (CPU, device):
        estimates = loaded.separate_queries(sound.to(where), 22_050, query[None].to(where))
        assert estimates.shape == (1, 2, 20_000) and estimates.device == sound.to(where).device
    assert loaded.device == place(device) and loaded.to(CPU).device == CPU
    loaded.to(device)
    assert loaded.query(audio=(sound.to(device), 22_050)).device == place(device)
    waveform.save(tmp_path / "mix.wav", sound, 16_000)
    loaded.separate_file(
        tmp_path / "mix.wav", tmp_path / "violin.wav", text="violin", progress=False
    )
    assert soundfile.info(tmp_path / "violin.wav").frames == 20_000


def test_evaluation(start, device):
    """Composed queries hold all others."""
    result = evaluate.evaluate(
        system.load(start, device), "test", "composed", limit=2, progress=False
    )
    assert result["mixtures"] == 2 and "judge" in result["systems"]["start"]


@pytest.fixture
def systems(start, device, tmp_path):
    """Untrained ones on the card."""
    for name, method in (("omnisep", OMNISEP), ("pathwise", OMNISEP), ("audiosep", AUDIOSEP)):
        torch.manual_seed(0)
        tensors, meta = separator_checkpoint(
            config.to_dict(SHORT), method.build(SHORT), method.kind
        )
        checkpoint.save(tmp_path / f"{name}-0.safetensors", tensors, meta)
    return compared_systems.load(tmp_path, device)


def test_the_benchmark_s_scores_and_cases(systems):
    scores = benchmark.measure(
        "unseen", systems, limit=2, modes=("text", "negative"), progress=False
    )
    found = benchmark.example_mixtures(systems, scores)
    assert len(found) == 3 and all(
        sound.device == CPU for case in found.values() for sound in case.values()
    )


def test_alignment_alone(systems, device, music, monkeypatch):
    monkeypatch.setattr(manifests, "music", lambda: music)
    found = compared_systems.alignment_alone(systems, clips=1, progress=False)
    assert {each.network.gate.channels.weight.device for each in found} == {place(device)}


def test_robustness_curves(systems, monkeypatch):
    kept = {
        name: dict(list(places.items())[:1])
        for name, places in list(robustness.conditions().items())[:2]
    }
    monkeypatch.setattr(robustness, "conditions", lambda: kept)
    assert set(robustness.curves(systems, count=2, progress=False)) == {*kept, "leak, dB"}


def test_the_reward_encoder_of_the_notebooks(device, music, monkeypatch):
    assert reward_encoder.load("cpu", device=device).encoder.log_temperature.device == place(device)
    # Another encoder stands for ImageBind, whose fusion is trained on the spot.
    monkeypatch.setattr(pretrained, "load_encoder", lambda name, path: small())
    monkeypatch.setattr(manifests, "music", lambda: music)
    monkeypatch.setattr(
        reward_encoder,
        "train_mlbp",
        lambda *args, **kwargs: train_mlbp(*args, **kwargs, steps=2, batch_size=4),
    )
    found = reward_encoder.load("smoke", "imagebind_huge.pth", device, progress=False)
    assert found.pooling.out.weight.device == place(device)


def test_metrics_take_sounds_of_a_card(device):
    torch.manual_seed(0)
    reference = torch.randn(2, 4_000)
    estimate, mixture = reference + 0.1 * torch.randn(2, 4_000), reference.sum(dim=0)
    there = {"estimate": estimate.to(device), "reference": reference.to(device)}
    here = {"estimate": estimate, "reference": reference}
    for metric in (metrics.si_sdr, metrics.snr, lambda **both: metrics.bss_eval(**both).sar):
        torch.testing.assert_close(metric(**there), metric(**here))
    gains = metrics.si_sdr_improvement(**there, mixture=mixture.to(device))
    assert gains.mean == pytest.approx(metrics.si_sdr_improvement(**here, mixture=mixture).mean)
    # Three stretches of one sound span each other: the matrix is not quite positive.
    tone = torch.sin(torch.arange(4_000) / 9)[None].repeat(2, 1).to(device)
    assert metrics.bss_eval(estimate=tone + 0.01, reference=tone).sdr.shape == (2,)
    assert not metrics.is_silent(there["estimate"]).any()


def test_pictures_of_a_card_are_drawn(device):
    assert plots.pictures({"noise": torch.rand(3, 8, 8, device=device)}, "noise") is not None
