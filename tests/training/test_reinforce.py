import csv
import math
from dataclasses import replace

import pytest
import torch

from mars_lib import config, system
from mars_lib.check import InputError
from mars_lib.config import PolicyConfig
from mars_lib.data import manifests
from mars_lib.evaluation.judge import Judge
from mars_lib.reward import MLBP, signal_fidelity
from mars_lib.separator import Separator
from mars_lib.training import checkpoint, reinforce
from mars_lib.training.objective import RLConfig, make_reward

QUICK = RLConfig(
    steps=6, batch_size=4, validate_every=3, validation_mixtures=4, queries_per_class=2, precision="32-true",
    learning_rate=1e-3, augment=0.0,
)


@pytest.fixture(scope="module")
def pooling():
    torch.manual_seed(0)
    return MLBP(256, 16)


@pytest.fixture
def train(start, shipped, pooling, tmp_path):
    def run(settings=QUICK, name="run", **options):
        options = {"accelerator": "cpu", "progress": False, **options}
        return reinforce.train_rl(
            start, settings, manifests.music(), shipped.encoder, pooling, tmp_path / name, **options
        )

    return run


def rows(folder):
    return list(csv.DictReader((folder / "metrics.csv").open()))


def tensors(path):
    return checkpoint.load(path, "separator").tensors


def weights(path):
    return checkpoint.load(path, "separator").part("separator")


@pytest.mark.parametrize("estimator", ["score", "pathwise", "mode", "supervised"])
def test_every_estimator_moves_the_separator_and_logs(train, start, estimator):
    best = train(replace(QUICK, estimator=estimator, anchor=0.1), judge=Judge([s.name for s in known()]))
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


def test_a_listener_hears_in_place_of_the_query_encoder(train, shipped):
    """Its embeddings make the targets and the rewards; the queries, and so the proposals, stay those of the encoder."""
    first, heard = {}, {}
    for name, listener in (("own", None), ("other", Turned(shipped.encoder))):
        settings = replace(QUICK, estimator="mode", steps=1, anchor=1.0)
        train(settings, name, listener=listener, on_step=lambda step, row, n=name: first.update({n: row}))
        heard[name] = listener
    assert first["own"]["wbce"] == first["other"]["wbce"]
    # Everything that hears is turned by the same rotation, but for MLBP, which was not: another reward.
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


def test_resume_continues_bit_for_bit(train):
    settings = replace(QUICK, policy=PolicyConfig(group_size=2, lag=2))
    whole = train(settings, "whole").parent
    stop = {"at": 4}

    def interrupt(step, row):
        if step == stop["at"]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings, "parts", on_step=interrupt)
    parts = train(settings, "parts", resume=True).parent
    for name in ("last", "best"):
        one, two = tensors(whole / f"{name}.safetensors"), tensors(parts / f"{name}.safetensors")
        assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
    assert [{k: v for k, v in row.items()} for row in rows(whole)] == rows(parts)
    for other in ({"settings": replace(settings, anchor=0.5)}, {"settings": settings, "listener": system.load_minibind(heads="stage3")}):
        with pytest.raises(InputError, match="another run"):
            train(**other, name="parts", resume=True)


def statistics(train, lag):
    seen = []
    settings = replace(QUICK, learning_rate=1e-2, policy=PolicyConfig(group_size=2, lag=lag))
    train(settings, f"lag {lag}", on_step=lambda step, row: seen.append(row))
    return seen


def test_a_compiled_run_leaves_the_same_checkpoint(train, eager_compiler):
    plain, compiled = (tensors(train(name=str(on), compiled=on).parent / "last.safetensors") for on in (False, True))
    assert eager_compiler == ["Separator", "Separator"]
    assert plain.keys() == compiled.keys() and all(torch.equal(plain[name], compiled[name]) for name in plain)


def test_an_old_policy_one_step_behind_makes_ratio_and_clipping_act(train):
    seen = statistics(train, lag=1)
    # The first step has no past: its ratio is 1. From then on the policies differ.
    assert seen[0]["ratio"] == pytest.approx(1, abs=1e-6)
    assert all(row["approx_kl"] > 1e-6 for row in seen[1:])
    assert any(row["clip_fraction"] > 0 for row in seen[1:])


def test_a_snapshot_taken_too_late_keeps_every_ratio_at_one(train):
    assert all(row["approx_kl"] == 0 and row["clip_fraction"] == 0 for row in statistics(train, lag=0))


def test_old_policies_are_those_of_lag_steps_before(start, tmp_path):
    saved = checkpoint.load(start, "separator")
    separator = Separator(config.from_dict(saved.meta["config"]))
    optimizer = torch.optim.AdamW(separator.parameters())
    run = reinforce._Run(
        separator.config, replace(QUICK, policy=PolicyConfig(lag=3)), "an ear", separator, optimizer, tmp_path
    )
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


def test_what_breaks_is_named_and_the_last_good_state_kept(train, start):
    def poisoned(estimate, target):
        poisoned.calls += 1
        value = signal_fidelity(estimate, target)
        return value * float("nan") if poisoned.calls > 3 else value

    poisoned.calls = 0
    with pytest.raises(InputError, match="reward: holds NaN"):
        train(reward=poisoned, name="poisoned")
    with pytest.raises(FloatingPointError, match="mask_spread is 0.0000 at step 7"):
        reinforce._sound(7, start.parent, mask_spread=0.0)
    with pytest.raises(FloatingPointError, match="gradient_norm is nan at step 7.*last good state"):
        reinforce._sound(7, start.parent, gradient_norm=float("nan"))


def test_a_broken_run_leaves_its_start_behind(train, start, tmp_path):
    def always_nan(estimate, target):
        return torch.full((len(estimate),), float("nan"))

    with pytest.raises(InputError):
        train(reward=always_nan, name="broken")
    kept = weights(tmp_path / "broken" / "last.safetensors")
    assert all(torch.equal(kept[k], v) for k, v in weights(start).items())


def test_it_stops_early_without_a_better_reward(train):
    constant = lambda estimate, target: torch.ones(len(estimate))
    settings = replace(QUICK, steps=40, validate_every=2, patience=2)
    log = rows(train(settings, reward=constant).parent)
    # The first validation is a record, two more bring none.
    assert len(log) == 6


def test_rewards_by_name(shipped, pooling):
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(2, 8_191, generator=generator)
    z = torch.nn.functional.normalize(torch.randn(2, 256, generator=generator), dim=-1)
    target = reinforce_target(reference, z)
    estimate = reference + 0.1 * torch.randn(reference.shape, generator=generator)
    semantic = make_reward(QUICK, shipped.encoder.embed_audio, pooling)(estimate, target)
    both = make_reward(replace(QUICK, signal_weight=0.03), shipped.encoder.embed_audio, pooling)
    signal = make_reward(
        replace(QUICK, reward="signal", signal_weight=0.03), shipped.encoder.embed_audio, pooling
    )
    assert torch.allclose(both(estimate, target), semantic + signal(estimate, target), atol=1e-6)


def reinforce_target(reference, z):
    from mars_lib.reward import Target

    return Target(reference, {"audio": z, "text": z, "image": z})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"estimator": "magic"}, "estimator: is 'magic'"),
        ({"reward": "applause"}, "reward: is 'applause'"),
        ({"steps": 0}, "steps: is 0"),
        ({"anchor": -1.0}, "anchor: is -1.0"),
        ({"learning_rate": 0.0}, "learning rate: is 0.0"),
        ({"learning_rate": float("nan")}, "learning rate: is nan"),
    ],
)
def test_bad_settings_are_named_before_the_first_step(change, says):
    with pytest.raises(InputError, match=says):
        replace(QUICK, **change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kappa": 0.0}, "kappa: is 0.0"),
        ({"clip_range": 1.0}, "clip range: is 1.0"),
        ({"clip_range": 0.0}, "clip range: is 0.0"),
        ({"group_size": 0}, "group size: is 0"),
        ({"lag": -1}, "lag: is -1"),
        ({"antithetic": True, "group_size": 3}, "group size: is 3"),
        ({"ratio": "octave"}, "ratio: is 'octave'"),
        ({"kappa_schedule": "sudden"}, "kappa schedule: is 'sudden'"),
    ],
)
def test_bad_policies_are_named_before_the_first_step(change, says):
    with pytest.raises(InputError, match=says):
        PolicyConfig(**change)


def test_a_checkpoint_of_another_kind_or_preset_is_refused(shipped, pooling, tmp_path):
    from mars_lib import shipped as data

    minibind = data.checkpoint("minibind")
    with pytest.raises(InputError, match="holds minibind, not a separator"):
        reinforce.train_rl(
            minibind, QUICK, manifests.music(), shipped.encoder, pooling, tmp_path, accelerator="cpu"
        )
