"""What supervised training learns from: mixtures, queries, learning rates."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from mars_lib import config
from mars_lib.data.mixtures import MixtureStream
from mars_lib.separator import Separator
from mars_lib.training.method import OMNISEP
from mars_lib.training.query_bank import MODALITIES, QueryBank
from mars_lib.training.schedule import learning_rate
from mars_lib.training.steps import supervised_loss
from mars_lib.training.supervised import SupervisedData
from tests.data.few import few


@pytest.fixture(scope="module")
def smoke():
    settings = config.smoke()
    return replace(settings, signal=replace(settings.signal, length=8_191))


@pytest.fixture(scope="module")
def music(smoke):
    return few(smoke.signal.length)


def test_a_batch_is_cut_and_moved_as_a_whole(music, smoke):
    batch = MixtureStream(music, "train", smoke.training).batch(0)
    assert len(batch) == smoke.training.batch_size == 4
    parts = batch.split(3)
    assert [len(part) for part in parts] == [3, 1]
    for name, whole in vars(batch).items():
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), whole)
        assert torch.equal(getattr(batch[1:2], name), whole[1:2])
    moved = batch.to("meta")
    assert moved.mixture.device.type == moved.references.device.type == "meta"
    assert moved.labels is batch.labels  # queries are drawn on the CPU


def test_training_learns_to_overfit_one_batch(smoke, music, minibind):
    torch.manual_seed(0)
    separator = Separator(smoke)
    batch = MixtureStream(music, "train", smoke.training).batch(0)
    names = [music.classes("train")[k].name for k in batch.labels.flatten()]
    query = minibind.embed_text(names).reshape(*batch.labels.shape, -1)
    optimizer = torch.optim.Adam(separator.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = supervised_loss(separator, batch, query)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


def test_audio_queries_are_other_recordings(music, minibind):
    classes = music.classes("train")[:2]
    bank = QueryBank.embed(minibind, music, classes, "train", 3, progress=False)
    own = torch.from_numpy(music.clip("train", classes[0], 0))[None]
    similarity = bank.pools["audio"][0] @ minibind.embed_audio(own)[0]
    assert similarity.max() < 0.9999
    drawn = bank.draw(torch.tensor([[0, 1]]), torch.Generator().manual_seed(0))
    assert drawn.shape == (1, 2, 3)
    again = bank.draw(torch.tensor([[0, 1]]), torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)


def test_a_bank_draws_every_example_of_the_label_and_of_the_modality(music, minibind, generator):
    classes = music.classes("train")[:3]
    bank = QueryBank.embed(minibind, music, classes, "train", 3, progress=False)
    labels = torch.arange(3).repeat(200).reshape(-1, 2)
    rows = bank.draw(labels, generator)
    found = bank.embeddings(rows)
    assert found.shape == (300, 2, 3, minibind.embedding_size)
    for label in range(3):
        for place, modality in enumerate(MODALITIES):
            pool = bank.pools[modality][label]
            drawn = found[:, :, place][labels == label]
            same = (drawn[:, None] == pool[None]).all(dim=-1)
            assert same.any(dim=1).all() and same.any(dim=0).all()


def test_own_recording_is_an_option(smoke, music, minibind):
    settings = replace(smoke, training=replace(smoke.training, query_own_recording=True))
    batch = MixtureStream(music, "train", settings.training).batch(0)
    classes = music.classes("train")
    bank = QueryBank.embed(minibind, music, classes, "train", 1, progress=False)
    with_own, without = (
        SupervisedData(
            MixtureStream(music, "train", training),
            minibind,
            bank,
            OMNISEP,
            None,
            torch.device("cpu"),
        ).query(batch, 0)
        for training in (settings.training, smoke.training)
    )
    assert with_own.shape == without.shape and not torch.equal(with_own, without)


def test_warm_up_and_decay():
    rates = [learning_rate(step, 1e-3, 100, 1_000) for step in range(2_000)]
    assert rates[0] == 0 and max(rates) == rates[100] == 1e-3
    assert rates[-1] == pytest.approx(1e-4)
    assert all(a >= b for a, b in pairwise(rates[100:]))
