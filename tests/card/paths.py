"""Training and evaluation with the networks on `device`: the same tests for an imitated card and
for a real one.

They ask for what may differ between devices alone: that all of it runs there, and where its results
are.
"""

import signal
from dataclasses import replace
from functools import partial

import pytest
import soundfile
import torch
from torch import nn

import mars_lib
from mars_lib import alignment, config, waveform
from mars_lib.alignment import run
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.config import PolicyConfig
from mars_lib.course import reward_encoder
from mars_lib.data import manifests
from mars_lib.encoders.headed import Headed
from mars_lib.evaluation import metrics
from mars_lib.evaluation.judge import Judge, probability, right
from mars_lib.experiments import (
    benchmark,
    checkpoints,
    compared_systems,
    comparison,
    evaluate,
    robustness,
)
from mars_lib.inference import pretrained, system
from mars_lib.inference.files import separate_file
from mars_lib.io import checkpoint
from mars_lib.reward import MLBP
from mars_lib.separator import Separator
from mars_lib.show import plots
from mars_lib.training import judge_training, minibind_trunks, supervised
from mars_lib.training.method import OMNISEP
from mars_lib.training.mlbp import train_mlbp
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import ESTIMATORS, RLConfig
from mars_lib.training.state import separator_checkpoint
from tests.data.few import few

SHORT = replace(config.smoke(), signal=replace(config.smoke().signal, length=8_191))
SUPERVISED = replace(
    SHORT,
    training=replace(
        SHORT.training,
        batch_size=2,
        steps=2,
        validate_every=2,
        validation_mixtures=2,
        queries_per_class=1,
    ),
)
RL = RLConfig(
    policy=PolicyConfig(group_size=2, lag=2),
    steps=2,
    batch_size=2,
    validate_every=2,
    validation_mixtures=2,
    queries_per_class=1,
    precision="32-true",
    anchor=0.1,
    augment=0.0,
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """An untrained separator of half a second and narrow maps."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    checkpoint.save(path, *separator_checkpoint(config.to_dict(SHORT), Separator(SHORT)))
    return path


class Trunk(nn.Module):
    """The first numbers of anything, through a linear layer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 16)

    def forward(self, examples):
        if not torch.is_tensor(examples):
            texts = [text.encode().ljust(32) for text in examples]
            examples = (
                torch.tensor([list(text[:32]) for text in texts], device=self.linear.weight.device)
                / 128
            )
        return self.linear(examples.flatten(1)[:, -32:].float()).tanh()


def small():
    """An encoder with embeddings of the usual size, which takes no time; on the CPU, frozen."""
    torch.manual_seed(0)
    names = ("audio", "text", "image")
    made = Headed({name: Trunk() for name in names}, {name: nn.Linear(16, 256) for name in names})
    return made.eval().requires_grad_(False)


@pytest.fixture
def encoder():
    """On the CPU; training may move it."""
    return small()


@pytest.fixture(scope="module")
def music():
    return few()


@pytest.fixture(scope="module")
def pooling():
    torch.manual_seed(0)
    return MLBP(256, 16)


def place(device) -> torch.device:
    """A device as its tensors name it: with a number."""
    return torch.zeros(0, device=device).device


def ctrl_c(*_):
    """What Ctrl-C does in the middle of a step, which ends all the same."""
    signal.raise_signal(signal.SIGINT)


def judge_of(music):
    return Judge([sound.name for sound in music.classes("validation")], width=16).eval()


@pytest.mark.parametrize("method", [OMNISEP, CLIPSEP_NIT, AUDIOSEP], ids=lambda method: method.kind)
def test_supervised_training_and_its_resume(method, device, encoder, music, tmp_path):
    def loss(*args):
        ctrl_c()
        return method.loss(*args)

    with pytest.raises(KeyboardInterrupt):
        supervised.train_supervised(
            SUPERVISED,
            music,
            encoder,
            tmp_path,
            accelerator=device,
            progress=False,
            method=replace(method, loss=loss),
        )
    best = supervised.train_supervised(
        SUPERVISED,
        music,
        encoder,
        tmp_path,
        accelerator=device,
        resume=True,
        progress=False,
        method=method,
    )
    assert (
        checkpoint.load(best.with_name("last.safetensors"), method.kind).meta["step"]
        == SUPERVISED.training.steps
    )


def test_queries_from_the_source_s_own_recording(device, encoder, music, tmp_path):
    own = replace(
        SUPERVISED, training=replace(SUPERVISED.training, query_own_recording=True, steps=1)
    )
    assert supervised.train_supervised(
        own, music, encoder, tmp_path, accelerator=device, progress=False
    ).is_file()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_reinforcement_learning_and_its_resume(
    estimator, start, device, encoder, music, pooling, tmp_path
):
    options = {
        "accelerator": device,
        "progress": False,
        "judge": judge_of(music),
        "reward_encoder": small(),
    }
    given = [start, replace(RL, estimator=estimator), music, encoder, pooling, tmp_path]
    with pytest.raises(KeyboardInterrupt):
        train_rl(*given, on_step=ctrl_c, **options)
    rows = {}
    train_rl(*given, resume=True, on_step=lambda step, row: rows.update({step: row}), **options)
    assert list(rows) == [1] and 0 <= rows[1]["validation_judge"] <= 1


def test_the_judge_of_a_run_may_be_on_the_card(start, device, encoder, music, pooling, tmp_path):
    options = {"accelerator": device, "progress": False, "judge": judge_of(music).to(device)}
    assert train_rl(
        start, replace(RL, steps=1), music, encoder, pooling, tmp_path, **options
    ).is_file()


def test_a_judge_hears_sounds_from_anywhere(device, music):
    judge, sounds = judge_of(music).to(device), torch.rand(2, 8_000)
    for where in (CPU, device):
        for opinion in (right, probability):
            assert opinion(judge, sounds.to(where), judge.names[:2]).device == place(where)


def test_what_is_finished_of_the_systems_is_found_again(
    device, encoder, music, tmp_path, monkeypatch
):
    """In another process: the start is finished, so no training has moved the encoder to the
    card.
    """
    monkeypatch.setattr(comparison, "train_supervised", lambda *args, **options: None)
    monkeypatch.setattr(comparison, "train_rl", lambda *args, **options: None)
    monkeypatch.setattr(comparison, "recipe", lambda: replace(RL, signal_weight=0.03))
    settings = replace(SUPERVISED, training=replace(SUPERVISED.training, steps=6))
    comparison.train_systems(settings, music, encoder, tmp_path, device=device, progress=False)
    assert encoder.log_temperature.device == place(device)


def test_alignment_in_all_stages(device, encoder, music, tmp_path, monkeypatch):
    encoder = encoder.to(device)
    monkeypatch.setattr(run, "fit_mlbp", partial(run.fit_mlbp, steps=2))
    assert "disk" in alignment.forecast(encoder, music, 2, 1, tmp_path)
    train, validation = (
        alignment.trunk_features(encoder, music, split, clips=2, variants=1, progress=False)
        for split in ("train", "validation")
    )
    before, quick = (
        alignment.with_trainable_heads(encoder),
        alignment.AlignmentConfig(steps=2, batch_size=4),
    )
    paths = alignment.align(encoder, train, validation, tmp_path, quick, progress=False)
    paths |= alignment.align(
        before,
        train,
        validation,
        tmp_path / "control",
        quick,
        stages=("one-stage",),
        progress=False,
    )
    del paths["mlbp"]
    held_out = {"test": alignment.trunk_features(encoder, music, "test", clips=2, progress=False)}
    found = alignment.report(encoder, paths, held_out, limit=2, progress=False)
    assert list(found) == ["before", *alignment.STAGES, "one-stage"]


def test_a_fusion_is_fitted_where_the_encoder_is(device, encoder, music, monkeypatch):
    seen = set()
    forward = MLBP.forward
    monkeypatch.setattr(
        MLBP,
        "forward",
        lambda self, given: seen.add(self.out.weight.device) or forward(self, given),
    )
    pooling = train_mlbp(
        encoder.to(device), music, examples=2, steps=2, batch_size=4, progress=False
    )
    assert seen == {place(device)} and pooling.out.weight.device == CPU


def test_the_recipe_s_parts(device, music, monkeypatch, tmp_path):
    """MiniBind and the judge from nothing, in a few steps each."""
    labels = torch.tensor([0, 1, 2, 3])
    examples = {
        "audio": torch.randn(4, 4_000),
        "image": torch.rand(4, 3, 224, 224),
        "text": ["violin", "harp", "oboe", "flute"],
    }
    for name, batch in examples.items():
        monkeypatch.setattr(
            minibind_trunks, f"{name}_batches", lambda *_, batch=batch: lambda step: (batch, labels)
        )
    monkeypatch.setattr(checkpoints, "TRUNK_STEPS", dict.fromkeys(examples, 2))
    monkeypatch.setattr(
        minibind_trunks, "train_heads", partial(minibind_trunks.train_heads, steps=2)
    )
    encoder = checkpoints.make_minibind(tmp_path, music, device)
    assert encoder.log_temperature.device == place(device)
    monkeypatch.setattr(judge_training, "PER_CLASS", 2)
    made = judge_training.train_judge(music, steps=1, batch_size=6, device=device, progress=False)
    assert next(made.parameters()).device == place(device)


def test_separating_waveforms_and_files(device, tmp_path):
    loaded, sound = mars_lib.load(device=device), 0.1 * torch.randn(2, 20_000)
    picture = torch.rand(3, 224, 224)
    query = loaded.query(text="violin", audio=(sound, 16_000), image=picture, negative_text="harp")
    assert loaded.separate(sound, 22_050, text="violin").shape == sound.shape
    # Whatever device the sound and the queries are on, the estimates are on the CPU.
    for where in (CPU, device):
        estimates = loaded.separate_queries(sound.to(where), 22_050, query[None].to(where))
        assert estimates.shape == (1, 2, 20_000) and estimates.device == CPU
    assert loaded.query(audio=(sound.to(device), 22_050)).device == place(device)
    waveform.save(tmp_path / "mix.wav", sound, 16_000)
    separate_file(
        loaded, tmp_path / "mix.wav", [tmp_path / "violin.wav"], query[None], progress=False
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
    for name, method in (("omnisep", OMNISEP), ("mars-sep", OMNISEP), ("audiosep", AUDIOSEP)):
        torch.manual_seed(0)
        tensors, meta = separator_checkpoint(
            config.to_dict(SHORT), method.build(SHORT), method.kind
        )
        checkpoint.save(tmp_path / f"{name}-0.safetensors", tensors, meta)
    return compared_systems.load(tmp_path, device)


def test_the_benchmark_s_scores_and_cases(systems):
    table = benchmark.measure(
        "unseen", systems, limit=2, modes=("text", "negative"), progress=False
    )
    found = benchmark.example_mixtures(systems, table)
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


def test_who_hears_in_the_notebooks(device, music, monkeypatch):
    assert reward_encoder.load("cpu", device=device).encoder.log_temperature.device == place(device)
    # Another encoder stands for ImageBind, whose fusion is trained on the spot.
    monkeypatch.setattr(pretrained, "load_encoder", lambda name, path: small())
    monkeypatch.setattr(manifests, "music", lambda: music)
    monkeypatch.setattr(
        reward_encoder,
        "train_mlbp",
        lambda *args, **kwargs: train_mlbp(*args, **kwargs, steps=2, batch_size=4),
    )
    heard = reward_encoder.load("smoke", "imagebind_huge.pth", device, progress=False)
    assert heard.pooling.out.weight.device == place(device)


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
