import csv
import signal
from dataclasses import replace

import pytest
import torch
from filelock import FileLock

from mars_lib import config
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.check import InputError
from mars_lib.io import checkpoint
from mars_lib.training import supervised
from mars_lib.training.method import OMNISEP
from mars_lib.training.steps import supervised_loss
from tests.data.few import few


@pytest.fixture(scope="module")
def smoke():
    settings = config.smoke()
    # One second and narrow maps: seconds for the whole file.
    return replace(settings, signal=replace(settings.signal, length=8_191))


@pytest.fixture(scope="module")
def music(smoke):
    return few(smoke.signal.length)


@pytest.fixture
def train(smoke, music, minibind, tmp_path):
    def run(
        name="run",
        settings=smoke,
        resume=False,
        method=OMNISEP,
        data=music,
        **options,
    ):
        return supervised.train_supervised(
            settings,
            data,
            minibind,
            tmp_path / name,
            accelerator="cpu",
            resume=resume,
            progress=False,
            method=method,
            **options,
        )

    return run


def tensors(path):
    return checkpoint.load(path, "separator", "clipsep-nit", "audiosep").tensors


def test_a_run_leaves_checkpoints_and_logs(train, smoke):
    best = train()
    folder = best.parent
    assert best.name == "best.safetensors" and (folder / "tensorboard").is_dir()
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(smoke.training.steps))
    assert rows[2]["validation_si_sdri"] and not rows[1]["validation_si_sdri"]
    meta = checkpoint.load(best, "separator").meta
    assert config.from_dict(meta["config"]) == smoke


@pytest.mark.parametrize("method, number", [
    (OMNISEP, signal.SIGINT), (CLIPSEP_NIT, signal.SIGTERM), (AUDIOSEP, signal.SIGINT),
])  # fmt: skip
def test_a_signal_inside_a_step_and_resume_equal_an_uninterrupted_run(train, smoke, method, number):
    """Ctrl-C falls between a step's forward pass, which moves BatchNorm's statistics, and its
    backward pass.
    """
    whole = tensors(train("whole", method=method).parent / "last.safetensors")
    stop_in = 5
    calls = []

    def interrupted(*args):
        loss = method.loss(*args)
        calls.append(1)
        if len(calls) == stop_in:
            signal.raise_signal(number)
        return loss

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        train("parts", method=replace(method, loss=interrupted))
    assert len(calls) == stop_in and signal.getsignal(number) == before
    resumed = train("parts", resume=True, method=method).parent
    after = tensors(resumed / "last.safetensors")
    assert whole.keys() == after.keys()
    assert all(torch.equal(whole[key], after[key]) for key in whole)
    rows = list(csv.DictReader((resumed / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(smoke.training.steps))


def test_a_second_signal_ends_a_step_at_once_and_the_run_resumes(train):
    whole = tensors(train("whole").parent / "last.safetensors")

    def twice(*args):
        if len(calls := twice.calls) == 4:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        calls.append(1)
        return supervised_loss(*args)

    twice.calls = []
    with pytest.raises(KeyboardInterrupt):
        train("parts", method=replace(OMNISEP, loss=twice))
    assert len(twice.calls) == 4
    after = tensors(train("parts", resume=True).parent / "last.safetensors")
    assert all(torch.equal(whole[key], after[key]) for key in whole)


def test_resume_refuses_what_would_be_another_run_and_says_why(train, smoke, music, monkeypatch):
    train()
    others = {
        "options.training.learning_rate": {
            "settings": replace(smoke, training=replace(smoke.training, learning_rate=0.5))
        },
        "data": {"data": replace(music, fonts=music.fonts[:1])},
        "kind": {"method": AUDIOSEP},
    }
    for what, other in others.items():
        if what != "kind":
            with pytest.raises(
                InputError, match=f"is of another run: it differs in {what}; .* --out"
            ):
                train(**other, resume=True)
    with pytest.raises(InputError, match="holds separator, not a audiosep"):
        train(**others["kind"], resume=True)
    monkeypatch.setattr("mars_lib.training.run_folder.VERSION", "0.0.1")
    with pytest.raises(
        InputError, match="differs in version, .* and not 0.0.1; give another --out, or go on"
    ):
        train(resume=True)
    with pytest.raises(InputError, match="is not there"):
        train("never started", resume=True)


def test_a_run_that_broke_before_its_first_validation_goes_on_from_its_start(train):
    whole = tensors(train("whole").parent / "last.safetensors")

    def broken(*args):
        raise RuntimeError("the power failed")

    with pytest.raises(RuntimeError, match="power"):
        train("parts", method=replace(OMNISEP, loss=broken))
    after = tensors(train("parts", resume=True).parent / "last.safetensors")
    assert all(torch.equal(whole[key], after[key]) for key in whole)


def test_it_goes_on_from_the_weights_of_a_checkpoint(train, smoke):
    begun = train("begun")
    still = replace(smoke, training=replace(smoke.training, learning_rate=1e-12))
    ends = {"on": train("on", still, start=begun), "anew": train("anew", still)}
    weights = [
        name
        for name, value in tensors(begun).items()
        if name.startswith("separator.") and value.is_floating_point() and "running" not in name
    ]
    near = {
        run: all(torch.allclose(tensors(end)[n], tensors(begun)[n], atol=1e-6) for n in weights)
        for run, end in ends.items()
    }
    assert near == {"on": True, "anew": False}
    with pytest.raises(InputError, match="is of another run: it differs in start"):
        train("on", still, resume=True)


def test_a_start_that_does_not_fit_is_refused(train, smoke, tmp_path):
    begun = train("begun")
    for name, other in (
        ("separator", replace(smoke, separator=replace(smoke.separator, width=8))),
        ("encoder", replace(smoke, encoder="minibind2")),
    ):
        with pytest.raises(InputError, match=f"was trained with another {name} than the run has"):
            train("other", other, start=begun)
    assert not (tmp_path / "other").exists()


def test_a_run_is_not_overwritten_unasked(train):
    best = train()
    kept = best.read_bytes()
    with pytest.raises(InputError, match="is there already .* --resume"):
        train()
    assert best.read_bytes() == kept
    train(overwrite=True)


def test_a_run_that_has_ended_is_returned_as_it_is(train, monkeypatch):
    best = train()
    monkeypatch.setattr(supervised, "_train", lambda *_: pytest.fail("nothing is left to do"))
    assert train(resume=True) == best


def test_two_runs_in_one_folder_do_not_meet(train, tmp_path):
    (tmp_path / "run").mkdir()
    with (
        FileLock(tmp_path / "run" / ".lock"),
        pytest.raises(InputError, match="is held by another process"),
    ):
        train()
    train()


def test_a_run_whose_every_validation_is_infinite_returns_a_best_that_exists(train):
    silent = replace(
        OMNISEP,
        separate=lambda separator, mixture, query: torch.zeros(*query.shape[:2], mixture.shape[-1]),
    )
    best = train(method=silent)
    assert checkpoint.load(best, "separator").meta["step"] == 3


def test_a_gradient_that_is_not_finite_ends_with_the_documented_error(train):
    def poisoned(*args):
        loss = supervised_loss(*args)
        if loss.requires_grad:
            loss.register_hook(lambda gradient: gradient * float("nan"))
        return loss

    with pytest.raises(FloatingPointError, match="gradient_norm is nan at step 0.*last good state"):
        train(method=replace(OMNISEP, loss=poisoned))


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("method", [CLIPSEP_NIT, AUDIOSEP], ids=lambda method: method.kind)
def test_the_baselines_train_in_half_precision(train, smoke, monkeypatch, method, precision):
    monkeypatch.setattr("mars_lib.io.devices.multiplies_bfloat16", lambda device_type: True)
    settings = replace(
        smoke, training=replace(smoke.training, precision=precision, steps=2, validate_every=2)
    )
    rows = list(
        csv.DictReader((train("half", settings, method=method).parent / "metrics.csv").open())
    )
    assert len(rows) == 2 and all(0 < float(row["loss"]) < float("inf") for row in rows)
    assert float(rows[-1]["validation_si_sdri"]) > -60


class Overflowing(torch.autograd.Function):
    """A loss whose gradient overflows float16's scale as long as that is high."""

    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, gradient):
        return torch.where(gradient > 2.0**14, float("inf"), gradient)


def test_float16_steps_over_its_first_overflow_and_resumes_with_its_scale(train, smoke):
    settings = replace(smoke, training=replace(smoke.training, precision="16-mixed"))
    overflowing = replace(OMNISEP, loss=lambda *args: Overflowing.apply(supervised_loss(*args)))
    whole = train("whole", settings, method=overflowing).parent
    rows = list(csv.DictReader((whole / "metrics.csv").open()))
    # 65,536 and 32,768 are too high, 16,384 is not.
    assert [row["gradient_norm"] == "inf" for row in rows] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    calls = []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        return overflowing.loss(*args)

    with pytest.raises(KeyboardInterrupt):
        train("parts", settings, method=replace(overflowing, loss=interrupted))
    assert (
        checkpoint.load(whole.parent / "parts" / "last.safetensors", "separator").meta["scaler"][
            "scale"
        ]
        == 2.0**15
    )
    train("parts", settings, method=overflowing, resume=True)
    one, two = (tensors(whole.parent / name / "last.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    forever = replace(
        OMNISEP, loss=lambda *args: Overflowing.apply(supervised_loss(*args) * float("inf"))
    )
    with pytest.raises(FloatingPointError):
        train("forever", settings, method=forever)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_state(train):
    calls = []

    def broken(*args):
        calls.append(1)
        loss = supervised_loss(*args)
        return loss * float("nan") if len(calls) > 4 else loss

    with pytest.raises(FloatingPointError, match="the loss is nan at step 4"):
        train("broken", method=replace(OMNISEP, loss=broken))


def test_an_absurd_learning_rate_ends_with_the_remedy(train, smoke):
    settings = replace(smoke, training=replace(smoke.training, learning_rate=1e30))
    with pytest.raises(FloatingPointError, match="at step .* lower learning rate"):
        train(settings=settings)
