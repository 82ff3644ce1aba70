import math
from dataclasses import replace

import pytest
import torch

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.config import PolicyConfig
from mars_lib.data import manifests
from mars_lib.evaluation.judge import Judge
from mars_lib.io import assets, checkpoint
from mars_lib.reward import signal_fidelity
from mars_lib.separator import Separator
from mars_lib.training import optimisation, reinforce
from tests.training.quick import QUICK, rows, weights


@pytest.mark.parametrize("estimator", ["score", "pathwise", "mode", "supervised"])
def test_every_estimator_moves_the_separator_and_logs(train, start, estimator):
    best = train(
        replace(QUICK, estimator=estimator, anchor=0.1), judge=Judge([s.name for s in known()])
    )
    log = rows(best.parent)
    assert [int(row["step"]) for row in log] == list(range(QUICK.steps))
    for name in ("loss", "gradient_norm", "mask_spread", "wbce"):
        assert all(math.isfinite(float(row[name])) for row in log)
    for name in ("validation_reward", "validation_si_sdri", "validation_judge"):
        assert log[2][name] and not log[1][name]
    before, after = weights(start), weights(best.parent / "last.safetensors")
    moved = [k for k in before if not torch.equal(before[k], after[k].to(before[k].dtype))]
    assert "gate.channels.weight" in moved
    # Both policies are compared in evaluation mode: no running statistic may move.
    assert not [k for k in moved if "running" in k or "batches" in k]


def test_a_reward_encoder_takes_the_place_of_the_query_encoder(train, minibind):
    """Its embeddings make the targets and the rewards; the queries, and so the proposals, stay
    those of the encoder.
    """
    first, heard = {}, {}
    for name, reward_encoder in (("own", None), ("other", Turned(minibind))):
        settings = replace(QUICK, estimator="mode", steps=1, anchor=1.0)
        train(
            settings,
            name,
            reward_encoder=reward_encoder,
            on_step=lambda step, row, n=name: first.update({n: row}),
        )
        heard[name] = reward_encoder
    assert first["own"]["wbce"] == first["other"]["wbce"]
    # All embeddings of the reward are turned by the same rotation, but not MLBP: another reward.
    assert first["own"]["reward"] != first["other"]["reward"]
    assert heard["other"].asked == {"audio", "text", "image"}


class Turned(torch.nn.Module):
    """An encoder whose embeddings are those of another, in the opposite order of coordinates."""

    def __init__(self, encoder):
        super().__init__()
        self.inner, self.embedding_size, self.asked = encoder, encoder.embedding_size, set()

    def embed_audio(self, waveform):
        self.asked.add("audio")
        return self.inner.embed_audio(waveform).flip(-1)

    def embed_text(self, texts):
        self.asked.add("text")
        return self.inner.embed_text(texts).flip(-1)

    def embed_image(self, images):
        self.asked.add("image")
        return self.inner.embed_image(images).flip(-1)


def known():
    return manifests.music().classes("validation")


def test_the_baseline_moves_once_a_step_however_many_passes_make_it(train):
    values = {}
    for passes in (1, 2):
        folder = train(replace(QUICK, accumulate=passes, learning_rate=1e-12), f"{passes}").parent
        means = [float(row["reward"]) for row in rows(folder)]
        by_hand = means[0]
        for mean in means:
            by_hand = 0.92 * by_hand + 0.08 * mean
        values[passes] = checkpoint.load(folder / "last.safetensors", "separator").meta["baseline"]
        assert values[passes] == pytest.approx(by_hand, abs=1e-7)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("estimator", ["score", "pathwise"])
def test_equal_weights_have_the_ratio_1_in_every_precision(
    train, monkeypatch, precision, estimator
):
    """A learning rate at which no float32 weight moves: both policies are one, however they are
    rounded.
    """
    monkeypatch.setattr("mars_lib.io.devices.multiplies_bfloat16", lambda device_type: True)
    settings = replace(
        QUICK, precision=precision, estimator=estimator, learning_rate=1e-30, weight_decay=0.0
    )
    log = rows(train(settings).parent)
    if estimator == "score":
        assert all(
            float(row["ratio"]) == 1 and float(row["approx_kl"]) == 0 and float(row["kl"]) == 0
            for row in log
        )
    assert all(math.isfinite(float(row["loss"])) for row in log)


def statistics(train, lag):
    seen = []
    settings = replace(QUICK, learning_rate=1e-2, policy=PolicyConfig(group_size=2, lag=lag))
    train(settings, f"lag {lag}", on_step=lambda step, row: seen.append(row))
    return seen


def test_an_old_policy_one_step_behind_makes_ratio_and_clipping_act(train):
    seen = statistics(train, lag=1)
    # The first step has no past: its ratio is 1. From then on the policies differ.
    assert seen[0]["ratio"] == pytest.approx(1, abs=1e-6)
    assert all(row["approx_kl"] > 1e-6 for row in seen[1:])
    assert any(row["clip_fraction"] > 0 for row in seen[1:])


def test_a_snapshot_taken_too_late_keeps_every_ratio_at_one(train):
    assert all(
        row["approx_kl"] == 0 and row["clip_fraction"] == 0 for row in statistics(train, lag=0)
    )


def test_the_start_is_measured_before_the_first_step(train):
    """Where nothing moves, the first and the last validation are one; the log has no row more."""
    seen, still = [], replace(QUICK, learning_rate=1e-30, weight_decay=0.0, precision="32-true")
    folder = train(still, "still", on_start=seen.append).parent
    validated = [row for row in rows(folder) if row["validation_reward"]][-1]
    last = {key: float(validated[key]) for key in seen[0]}
    assert len(seen) == 1 and {"validation_reward", "validation_si_sdri"} <= last.keys()
    assert seen[0] == {key: pytest.approx(last[key], abs=1e-5) for key in seen[0]}
    assert len(rows(folder)) == still.steps


def test_old_policies_are_those_of_lag_steps_before(start, tmp_path):
    saved = checkpoint.load(start, "separator")
    separator = Separator(config.from_dict(saved.meta["config"]))
    optimizer = torch.optim.AdamW(separator.parameters())
    rl = replace(QUICK, policy=PolicyConfig(lag=3))
    run = reinforce.RLRun(None, separator.config, rl, {}, separator, optimizer, tmp_path)
    for step in range(6):
        with torch.no_grad():
            separator.gate.bias.fill_(step)
        assert run.old_policy().gate.bias.item() == max(0, step - 3)
        run.remember()


def test_a_reward_of_ones_own_takes_the_place(train):
    calls = []

    def mine(estimate, target):
        calls.append(estimate.shape)
        return signal_fidelity(estimate, target)

    train(replace(QUICK, estimator="pathwise"), reward=mine)
    assert calls and all(shape[-1] == 8_191 for shape in calls)


@pytest.mark.parametrize("validate_every", [1, 3])
def test_an_absurd_learning_rate_ends_with_the_remedy(train, validate_every):
    settings = replace(QUICK, learning_rate=1e30, validate_every=validate_every)
    with pytest.raises(FloatingPointError, match="lower learning rate"):
        train(settings)


def test_what_breaks_is_named_and_the_last_good_state_kept(train, start):
    def poisoned(estimate, target):
        poisoned.calls += 1
        value = signal_fidelity(estimate, target)
        return value * float("nan") if poisoned.calls > 3 else value

    poisoned.calls = 0
    with pytest.raises(InputError, match="reward: holds"):
        train(reward=poisoned, name="poisoned")
    with (
        pytest.raises(FloatingPointError, match="loss is nan at step 7.*last good state"),
        optimisation.explained_divergence(7, start.parent),
    ):
        optimisation.check_finite(loss=float("nan"))


def test_masks_that_are_constants_end_a_run(train, start, tmp_path):
    saved = checkpoint.load(start, "separator")
    dead = {k: v * 0 if k == "separator.gate.scale" else v for k, v in saved.tensors.items()}
    checkpoint.save(tmp_path / "dead.safetensors", dead, saved.meta)
    with pytest.raises(FloatingPointError, match="mask_spread is 0.0000.*at step 0"):
        train(begin=tmp_path / "dead.safetensors")


def test_a_gradient_that_is_not_finite_ends_with_the_documented_error(train):
    def steep(estimate, target):
        return Poisoned.apply(signal_fidelity(estimate, target))

    with pytest.raises(FloatingPointError, match="gradient_norm is nan at step 0.*last good state"):
        train(replace(QUICK, estimator="mode"), reward=steep)


class Poisoned(torch.autograd.Function):
    """A value as it is, whose gradient is none."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("nan")


def test_a_checkpoint_of_another_kind_or_preset_is_refused(minibind, pooling, tmp_path):
    minibind = assets.checkpoint("minibind")
    with pytest.raises(InputError, match="holds minibind, not a separator"):
        reinforce.train_rl(
            minibind,
            QUICK,
            manifests.music(),
            minibind,
            pooling,
            tmp_path,
            accelerator="cpu",
        )
