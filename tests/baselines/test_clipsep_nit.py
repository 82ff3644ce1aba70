"""CLIPSep-NIT: noise masks, their permutations and their limit, against references worked out
here.
"""

from dataclasses import replace
from itertools import permutations

import pytest
import torch

from mars_lib import config
from mars_lib.baselines import clipsep_nit
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT, noise_invariant
from mars_lib.data import manifests
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.io import checkpoint
from mars_lib.separator import Separator, separate
from mars_lib.training import supervised


@pytest.fixture
def smoke():
    settings = config.smoke()
    return replace(settings, signal=replace(settings.signal, length=8_191))


@pytest.fixture
def network(smoke):
    torch.manual_seed(0)
    return CLIPSEP_NIT.build(smoke)


def batch_of(smoke, generator):
    references = 0.1 * torch.randn(2, 2, smoke.signal.length, generator=generator)
    return MixtureBatch(references.sum(dim=1), references, torch.zeros(2, 2).long())


def masks(n, generator, dtype=torch.float64):
    shape = (3, n, 4, 5)
    made = [torch.rand(shape, generator=generator, dtype=dtype) for _ in range(2)]
    ideal = (torch.rand(shape, generator=generator) < 0.5).to(dtype)
    return *made, ideal, torch.rand((3, 1, 4, 5), generator=generator, dtype=dtype)


@pytest.mark.parametrize("n", [2, 3])
def test_loss_is_the_best_assignment_of_each_mixture(n):
    m, noise, ideal, weight = masks(n, torch.Generator().manual_seed(n))
    found = []
    for b in range(3):
        costs = []
        for order in permutations(range(n)):
            total = 0.0
            for i, j in enumerate(order):
                p = torch.minimum(m[b, i] + noise[b, j], torch.tensor(1.0))
                log_p, log_q = torch.log(p).clamp(min=-100), torch.log(1 - p).clamp(min=-100)
                total += (
                    -(weight[b, 0] * (ideal[b, i] * log_p + (1 - ideal[b, i]) * log_q)).mean() / n
                )
            costs.append(total)
        found.append(min(costs))
    expected = sum(found) / 3 + 0.1 * max(0.0, n * noise.mean() - 0.25)
    torch.testing.assert_close(noise_invariant(m, noise, ideal, weight), expected)


def test_order_of_the_noise_masks_does_not_matter():
    m, noise, ideal, weight = masks(2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        noise_invariant(m, noise, ideal, weight), noise_invariant(m, noise.flip(1), ideal, weight)
    )


def test_what_no_query_explains_goes_to_the_noise_of_either_number():
    # One mixture of one bin and two sources: the queries explain nothing, the second noise mask is
    # the first source.
    ideal = torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, 2, 1, 1)
    noise = torch.tensor([0.1, 0.9], dtype=torch.float64).reshape(1, 2, 1, 1)
    loss = noise_invariant(
        torch.zeros_like(ideal), noise, ideal, torch.ones(1, 1, 1, 1, dtype=torch.float64)
    )
    # Crossed: -log 0.9 twice, halved; the noise masks sum to 1.0, that is 0.75 above the limit.
    assert loss.item() == pytest.approx(0.1053605 + 0.1 * 0.75, abs=1e-6)


@pytest.mark.parametrize("level, expected", [(0.1, 0.0), (0.125, 0.0), (0.2, 0.015), (0.3, 0.035)])
def test_noise_masks_are_free_up_to_a_quarter_and_cost_a_tenth_above(level, expected):
    m, _, ideal, _ = masks(2, torch.Generator().manual_seed(0))
    silent = torch.zeros(3, 1, 4, 5, dtype=torch.float64)
    assert noise_invariant(m, torch.full_like(m, level), ideal, silent).item() == pytest.approx(
        expected, abs=1e-12
    )


def test_a_sum_of_exactly_one_gives_no_gradient():
    half = torch.full((1, 2, 1, 1), 0.5, dtype=torch.float64, requires_grad=True)
    noise_invariant(
        half, half.detach(), torch.zeros_like(half), torch.ones(1, 1, 1, 1, dtype=torch.float64)
    ).backward()
    assert not half.grad.any()


def test_noise_masks_belong_to_the_mixture_and_not_to_a_query(network, smoke):
    generator = torch.Generator().manual_seed(0)
    magnitude = torch.rand(2, smoke.signal.n_bins, 32, generator=generator)
    query = torch.randn(2, 2, smoke.separator.embedding_size, generator=generator)
    asked, noise = network.eval()(magnitude, query, with_noise=True)
    turned, same = network(magnitude, query.flip(1), with_noise=True)
    torch.testing.assert_close(turned, asked.flip(1))
    torch.testing.assert_close(same, noise)
    for each in (asked, noise):
        assert ((each >= 0) & (each <= 1)).all()


def test_in_use_it_is_a_separator_without_noise_masks(network, smoke):
    plain = Separator(smoke).eval()
    plain.load_state_dict(
        {k: v for k, v in network.state_dict().items() if not k.startswith("noise")}
    )
    generator = torch.Generator().manual_seed(0)
    mixture = torch.randn(1, smoke.signal.length, generator=generator)
    query = torch.randn(1, 3, smoke.separator.embedding_size, generator=generator)
    torch.testing.assert_close(
        CLIPSEP_NIT.separate(network.eval(), mixture, query), separate(plain, mixture, query)
    )


def test_size_is_omnisep_s():
    ours, theirs = (
        sum(p.numel() for p in build(config.comparison()).parameters())
        for build in (CLIPSEP_NIT.build, Separator)
    )
    assert ours / theirs == pytest.approx(1.0, abs=0.1)


def test_it_learns_one_batch_and_every_parameter_is_reached(network, smoke):
    generator = torch.Generator().manual_seed(0)
    batch = batch_of(smoke, generator)
    query = torch.randn(2, 2, smoke.separator.embedding_size, generator=generator)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = CLIPSEP_NIT.loss(network, batch, query)
        loss.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_pictures_alone_ask_in_training():
    weights = CLIPSEP_NIT.weights(torch.Size([2, 3]), torch.Generator())
    assert weights.tolist() == [[[0.0, 1.0, 0.0]] * 3] * 2
    assert clipsep_nit.MODALITIES[1] == "image"


def test_the_trainer_trains_it(smoke, minibind, tmp_path):
    music = replace(manifests.music(), length=smoke.signal.length)
    best = supervised.train_supervised(
        smoke,
        music,
        minibind,
        tmp_path,
        accelerator="cpu",
        progress=False,
        method=CLIPSEP_NIT,
    )
    saved = checkpoint.load(best, "clipsep-nit")
    checkpoint.restore(CLIPSEP_NIT.build(smoke), saved.part("separator"), "clipsep-nit")
