"""Training in half precision on `device`, with gradients that overflow and without."""

import math
from dataclasses import replace

import pytest

from mars_lib.io import checkpoint
from mars_lib.training import reinforce
from mars_lib.training.reinforce import train_rl
from tests.card.networks import RL, small


def settings(**changes):
    return replace(RL, steps=3, validate_every=3, **changes)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("estimator", ["score", "pathwise"])
def test_training_with_rewards_in_half_precision(
    estimator, precision, start, device, encoder, music, pooling, tmp_path
):
    rows = []
    best = train_rl(
        start,
        settings(estimator=estimator, precision=precision),
        music,
        encoder,
        pooling,
        tmp_path,
        accelerator=device,
        progress=False,
        on_step=lambda step, row: rows.append(row),
    )
    assert best.is_file() and len(rows) == 3
    assert all(math.isfinite(row["gradient_norm"]) for row in rows)
    if estimator == "score":  # nothing has moved between the policies of the first step
        assert abs(rows[0]["ratio"] - 1) < 1e-3


def test_a_step_that_overflows_is_left_out_and_the_run_goes_on(
    start, device, encoder, music, pooling, tmp_path, monkeypatch
):
    weights, rows, whole = [], [], reinforce.rl_step

    def rl_step(separator, *args):
        weights.append([p.detach().clone() for p in separator.parameters()])
        loss, stats = whole(separator, *args)
        if len(weights) == 1:
            loss.register_hook(lambda gradient: gradient * math.inf)
        return loss, stats

    monkeypatch.setattr(reinforce, "rl_step", rl_step)
    train_rl(
        start,
        settings(precision="16-mixed"),
        music,
        encoder,
        pooling,
        tmp_path,
        reward_encoder=small(),
        accelerator=device,
        progress=False,
        on_step=lambda step, row: rows.append(row),
    )
    first, second, third = weights
    assert math.isinf(rows[0]["gradient_norm"])
    assert all(a.equal(b) for a, b in zip(first, second))
    assert not all(a.equal(b) for a, b in zip(second, third))
    assert [math.isfinite(row["gradient_norm"]) for row in rows[1:]] == [True, True]
    scaler = checkpoint.load(tmp_path / "last.safetensors", "separator").meta["scaler"]
    assert scaler["scale"] == 2.0**15  # a scaler begins at 2^16
