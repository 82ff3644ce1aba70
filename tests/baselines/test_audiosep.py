"""AudioSep: queries in every block, masks and rotations, waveform loss."""

from dataclasses import replace

import pytest
import torch

from mars_lib import config
from mars_lib.baselines.audiosep import AUDIOSEP, _Conditioned
from mars_lib.data import manifests
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.io import checkpoint
from mars_lib.separator import Separator
from mars_lib.training import supervised


@pytest.fixture
def smoke():
    settings = config.smoke()
    return replace(settings, signal=replace(settings.signal, length=8_191))


@pytest.fixture
def network(smoke):
    torch.manual_seed(0)
    return AUDIOSEP.build(smoke)


@pytest.fixture
def sounds(smoke):
    generator = torch.Generator().manual_seed(0)
    references = 0.1 * torch.randn(2, 2, smoke.signal.length, generator=generator)
    query = torch.randn(2, 2, smoke.separator.embedding_size, generator=generator)
    return MixtureBatch(references.sum(dim=1), references, torch.zeros(2, 2).long()), query


def test_the_query_shifts_every_block(network, sounds):
    batch, query = sounds
    network.eval()
    blocks = [m for m in network.modules() if isinstance(m, _Conditioned)]
    assert len(blocks) == 2 * 7 + 6 + 2 * 6
    before = network(batch.mixture, query[:, 0])
    assert not torch.allclose(before, network(batch.mixture, query[:, 1]))
    for block in blocks:
        kept = block.shift.weight.detach().clone()
        block.shift.weight.data.zero_()
        assert not torch.equal(network(batch.mixture, query[:, 0]), before)
        block.shift.weight.data.copy_(kept)
    for block in blocks:
        block.shift.weight.data.zero_()
    torch.testing.assert_close(
        network(batch.mixture, query[:, 0]), network(batch.mixture, query[:, 1])
    )


def test_mask_is_in_0_1_and_rotation_of_modulus_1(network, smoke, sounds):
    magnitude = torch.rand(
        2, smoke.signal.n_fft // 2 + 1, 32, generator=torch.Generator().manual_seed(0)
    )
    mask, rotation = network.eval().maps(magnitude, sounds[1][:, 0])
    assert mask.shape == rotation.shape == magnitude.shape
    assert ((mask >= 0) & (mask <= 1)).all()
    torch.testing.assert_close(rotation.abs(), torch.ones_like(mask))


@pytest.mark.parametrize("angle, sign", [(0.0, 1.0), (torch.pi, -1.0)])
def test_an_open_mask_returns_the_mixture_turned(network, sounds, angle, sign):
    batch, query = sounds
    network.eval().network.leave.weight.data.zero_()
    turn = torch.tensor(angle)
    network.network.leave.bias.data = torch.stack(
        [torch.tensor(40.0), 5 * turn.cos(), 5 * turn.sin()]
    )
    estimate = network(batch.mixture, query[:, 0])
    torch.testing.assert_close(estimate, sign * batch.mixture, atol=1e-4, rtol=0)


def test_each_query_gets_its_pass(network, sounds):
    batch, query = sounds
    network.eval()
    estimates = AUDIOSEP.separate(network, batch.mixture, query)
    assert estimates.shape == batch.references.shape
    for n in range(2):
        torch.testing.assert_close(
            estimates[:, n], network(batch.mixture, query[:, n]), atol=1e-5, rtol=1e-4
        )
    assert not AUDIOSEP.separate(network, torch.zeros(1, 5_000), query[:1]).any()


def test_loss_is_the_waveform_s_distance_to_the_first_source(network, sounds):
    batch, query = sounds
    network.eval()
    estimates = AUDIOSEP.separate(network, batch.mixture, query)
    expected = (estimates[:, 0] - batch.references[:, 0]).abs().mean()
    torch.testing.assert_close(AUDIOSEP.loss(network, batch, query), expected, atol=1e-6, rtol=1e-4)


def test_size_is_omnisep_s():
    ours, theirs = (
        sum(p.numel() for p in build(config.comparison()).parameters())
        for build in (AUDIOSEP.build, Separator)
    )
    assert ours / theirs == pytest.approx(1.0, abs=0.1)


def test_it_learns_one_batch_and_every_parameter_is_reached(network, sounds):
    batch, query = sounds
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = AUDIOSEP.loss(network, batch, query)
        loss.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_words_and_sounds_ask_in_training():
    weights = AUDIOSEP.weights(torch.Size([50, 2]), torch.Generator().manual_seed(0))
    assert weights[..., 1].sum() == 0 and (weights.sum(-1) == 1).all()
    assert 0.3 < weights[..., 0].mean() < 0.7


def test_the_trainer_trains_it(smoke, minibind, tmp_path):
    music = replace(manifests.music(), length=smoke.signal.length)
    best = supervised.train_supervised(
        smoke, music, minibind, tmp_path, accelerator="cpu", progress=False, method=AUDIOSEP
    )
    saved = checkpoint.load(best, "audiosep")
    checkpoint.restore(AUDIOSEP.build(smoke), saved.part("separator"), "audiosep")
