"""Training with the networks on `device`: the same tests for an imitated card and for a real one.

They ask for what may differ between devices alone: that all of it runs there, and where its results
are.
"""

from dataclasses import replace
from functools import partial

import pytest
import torch

from mars_lib import alignment
from mars_lib.alignment import run
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.evaluation.judge import probability, right
from mars_lib.experiments import (
    checkpoints,
    comparison,
)
from mars_lib.io import checkpoint
from mars_lib.reward import MLBP
from mars_lib.training import judge_training, minibind_trunks, supervised
from mars_lib.training.method import OMNISEP
from mars_lib.training.mlbp import train_mlbp
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import ESTIMATORS
from tests.card.networks import CPU, RL, SUPERVISED, ctrl_c, judge_of, place, small


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


def test_a_judge_classifies_sounds_from_anywhere(device, music):
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
            minibind_trunks,
            f"{name}_batches",
            lambda *_, batch=batch, **__: lambda step: (batch, labels),
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
