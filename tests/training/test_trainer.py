import csv
from dataclasses import replace

import pytest
import torch

from mars_lib import config
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.check import InputError
from mars_lib.data import manifests
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.separator import Separator
from mars_lib.training import checkpoint, trainer
from mars_lib.training.method import OMNISEP
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.steps import learning_rate, supervised_loss


@pytest.fixture(scope="module")
def smoke():
    settings = config.smoke()
    # One second and narrow maps: seconds for the whole file.
    return replace(settings, signal=replace(settings.signal, length=8_191))


@pytest.fixture(scope="module")
def music(smoke):
    return replace(manifests.music(), length=smoke.signal.length)


@pytest.fixture
def train(smoke, music, shipped, tmp_path):
    def run(name="run", settings=smoke, resume=False, method=OMNISEP, compiled=False):
        return trainer.train_supervised(
            settings, music, shipped.encoder, tmp_path / name,
            accelerator="cpu", resume=resume, progress=False, method=method, compiled=compiled,
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


@pytest.mark.parametrize("method", [OMNISEP, CLIPSEP_NIT, AUDIOSEP], ids=lambda method: method.kind)
def test_resume_continues_bit_for_bit(train, smoke, method):
    whole = tensors(train("whole", method=method).parent / "last.safetensors")
    stop_after = 4
    calls = []

    def interrupted(*args):
        calls.append(1)
        if len(calls) > stop_after:
            raise KeyboardInterrupt
        return method.loss(*args)

    with pytest.raises(KeyboardInterrupt):
        train("parts", method=replace(method, loss=interrupted))
    resumed = train("parts", resume=True, method=method).parent
    after = tensors(resumed / "last.safetensors")
    assert whole.keys() == after.keys()
    assert all(torch.equal(whole[key], after[key]) for key in whole)
    rows = list(csv.DictReader((resumed / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(smoke.training.steps))


def test_a_compiled_run_leaves_the_same_checkpoint(train, eager_compiler):
    """Under the names of the plain network: traced, but run operation by operation, so that nothing rounds differently."""
    plain, compiled = (tensors(train(str(on), compiled=on).parent / "last.safetensors") for on in (False, True))
    assert eager_compiler == ["Separator"]
    assert plain.keys() == compiled.keys() and all(torch.equal(plain[name], compiled[name]) for name in plain)


def test_resume_refuses_another_configuration(train, smoke):
    train()
    other = replace(smoke, training=replace(smoke.training, learning_rate=0.5))
    with pytest.raises(InputError, match="another configuration"):
        train(settings=other, resume=True)
    with pytest.raises(InputError, match="is not there"):
        train("never started", resume=True)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_state(train):
    calls = []

    def broken(*args):
        calls.append(1)
        loss = supervised_loss(*args)
        return loss * float("nan") if len(calls) > 4 else loss

    with pytest.raises(FloatingPointError, match="the loss is nan at step 4"):
        train("broken", method=replace(OMNISEP, loss=broken))


def test_training_learns_to_overfit_one_batch(smoke, music, shipped):
    torch.manual_seed(0)
    separator = Separator(smoke)
    batch = trainer.MixtureStream(music, "train", smoke.training).batch(0)
    names = [music.classes("train")[k].name for k in batch.labels.flatten()]
    query = shipped.encoder.embed_text(names).reshape(*batch.labels.shape, -1)
    optimizer = torch.optim.Adam(separator.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = supervised_loss(separator, batch, query)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


def test_audio_queries_are_other_recordings(music, shipped):
    classes = music.classes("train")[:2]
    bank = QueryBank.embed(shipped.encoder, music, classes, "train", 3, progress=False)
    own = torch.from_numpy(music.clip("train", classes[0], 0))[None]
    likeness = bank.pools["audio"][0] @ shipped.encoder.embed_audio(own)[0]
    assert likeness.max() < 0.9999
    drawn = bank.draw(torch.tensor([[0, 1]]), torch.Generator().manual_seed(0))
    assert drawn.shape == (1, 2, 3, shipped.encoder.embedding_size)
    again = bank.draw(torch.tensor([[0, 1]]), torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)


def test_own_recording_is_an_option(smoke, music, shipped):
    settings = replace(smoke, training=replace(smoke.training, query_own_recording=True))
    batch = trainer.MixtureStream(music, "train", settings.training).batch(0)
    batch = MixtureBatch(*vars(batch).values())
    classes = music.classes("train")
    bank = QueryBank.embed(shipped.encoder, music, classes, "train", 1, progress=False)
    with_own = trainer._draw(bank, shipped.encoder, batch, settings.training, 0, OMNISEP)
    without = trainer._draw(bank, shipped.encoder, batch, smoke.training, 0, OMNISEP)
    assert with_own.shape == without.shape and not torch.equal(with_own, without)


def test_warm_up_and_decay():
    rates = [learning_rate(step, 1e-3, 100, 1_000) for step in range(2_000)]
    assert rates[0] == 0 and max(rates) == rates[100] == 1e-3
    assert rates[-1] == pytest.approx(1e-4)
    assert all(a >= b for a, b in zip(rates[100:], rates[101:]))
