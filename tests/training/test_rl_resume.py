"""Runs of reinforcement learning that stop, break, end early, and go on."""

import signal
from dataclasses import replace

import pytest
import torch

from mars_lib.check import InputError
from mars_lib.config import PolicyConfig
from mars_lib.inference import pretrained
from mars_lib.reward import MLBP, signal_fidelity
from mars_lib.training import reinforce
from tests.data.few import few
from tests.training.quick import QUICK, rows, tensors, weights


def constant_reward(estimate, target):
    return torch.ones(len(estimate))


def test_resume_continues_bit_for_bit(train):
    settings = replace(QUICK, policy=PolicyConfig(group_size=2, lag=2))
    whole = train(settings, "whole").parent
    stop = {"at": 4}

    def interrupt(step, row):
        if step == stop["at"]:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        train(settings, "parts", on_step=interrupt)
    parts = train(settings, "parts", resume=True).parent
    for name in ("last", "best"):
        one, two = tensors(whole / f"{name}.safetensors"), tensors(parts / f"{name}.safetensors")
        assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
    assert rows(whole) == rows(parts)
    others = {
        "options.anchor": {"settings": replace(settings, anchor=0.5)},
        "heads": {"settings": settings, "reward_encoder": pretrained.load_minibind(heads="stage3")},
        "start": {"settings": settings, "begin": whole / "last.safetensors"},
        "data": {"settings": settings, "music": replace(few(), fonts=few().fonts[:1])},
        "fusion": {"settings": settings, "fusion": MLBP(256, 16)},
    }
    for what, other in others.items():
        with pytest.raises(InputError, match=f"is of another run: it differs in {what}"):
            train(**other, name="parts", resume=True)


def test_a_signal_inside_a_step_and_resume_equal_an_uninterrupted_run(train):
    """The old policies, the baseline and the weights move together or not at all."""
    settings = replace(QUICK, policy=PolicyConfig(group_size=2), accumulate=2)
    whole = train(settings, "whole").parent
    calls = []

    def interrupting(estimate, target):
        calls.append(1)
        # 2 passes of 2 samples a step: in the middle of the third.
        if len(calls) == 10:
            signal.raise_signal(signal.SIGINT)
        return signal_fidelity(estimate, target)

    plain = train(settings, "plain", reward=signal_fidelity).parent
    # The first call of all is the validation set's; it is not counted.
    with pytest.raises(KeyboardInterrupt):
        train(settings, "parts", reward=interrupting)
    parts = train(settings, "parts", reward=signal_fidelity, resume=True).parent
    one, two = (tensors(folder / "last.safetensors") for folder in (plain, parts))
    assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
    assert rows(plain) == rows(parts) and rows(plain) != rows(whole)


def test_a_run_that_has_ended_is_returned_as_it_is_and_never_overwritten_unasked(
    train, monkeypatch
):
    settings = replace(QUICK, steps=40, validate_every=2, patience=2)
    best = train(settings, reward=constant_reward)
    with pytest.raises(InputError, match="is there already .* --resume"):
        train(settings, reward=constant_reward)
    monkeypatch.setattr(reinforce, "_train", lambda *args: pytest.fail("nothing is left to do"))
    assert train(settings, reward=constant_reward, resume=True) == best


def test_a_broken_run_leaves_its_start_behind(train, start, tmp_path):
    def always_nan(estimate, target):
        return torch.full((len(estimate),), float("nan"))

    with pytest.raises(InputError):
        train(reward=always_nan, name="broken")
    kept = weights(tmp_path / "broken" / "last.safetensors")
    assert all(torch.equal(kept[k], v) for k, v in weights(start).items())


def test_it_stops_early_without_a_better_reward(train):
    settings = replace(QUICK, steps=40, validate_every=2, patience=2)
    log = rows(train(settings, reward=constant_reward).parent)
    # The first validation is a record, two more bring none.
    assert len(log) == 6
