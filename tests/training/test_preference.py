import numpy as np
import pytest
import torch
from torch import nn

from mars_lib.evaluation.metrics import si_sdr
from mars_lib.policy import spread
from mars_lib.training.naming import Naming, naming_loss, sound_batches, train_naming
from mars_lib.training.preference import (
    Scenes,
    climb,
    direction_loss,
    preference_loss,
    quality,
    train_preference,
)
from tests.data.few import few


class Bands(nn.Module):
    """A trunk that sees 32 bands of a spectrum."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(32, 16)

    def forward(self, waves):
        power = torch.fft.rfft(waves, dim=-1).abs().square()[:, 1:]
        bands = torch.stack([part.mean(dim=-1) for part in power.tensor_split(32, dim=-1)], dim=-1)
        whole = bands.sum(dim=-1, keepdim=True).clamp(min=1e-12)  # a stretch may be silent
        return self.out(torch.log(bands / whole + 1e-6))


@pytest.fixture(scope="module")
def music():
    return few(8_000)


@pytest.fixture
def naming(music):
    torch.manual_seed(0)
    return Naming(Bands(), 16, len(music.classes("train")))


def test_shares_are_of_the_amplitude_and_a_batch_is_a_function_of_its_step(music):
    batch = sound_batches(music, 24, seed=0)
    waves, shares = batch(3)
    assert waves.shape[0] == 24 and torch.isfinite(waves).all()
    assert torch.allclose(shares.sum(dim=1), torch.ones(24), atol=1e-5)
    assert 0.2 < (shares > 0.01).sum(dim=1).gt(1).float().mean() < 0.9
    again = sound_batches(music, 24, seed=0)(3)
    assert torch.equal(again[0], waves) and torch.equal(again[1], shares)
    assert not torch.equal(batch(4)[1], shares)


def test_the_naming_loss_is_a_cross_entropy_that_is_least_at_the_shares():
    shares = torch.tensor([[0.7, 0.3, 0.0]])
    best = 0.07 * torch.log(0.95 * shares + 0.05 / 3)
    assert naming_loss(best, shares) < naming_loss(best + torch.tensor([0.02, 0.0, 0.0]), shares)
    assert naming_loss(best, shares) < naming_loss(best + torch.tensor([0.0, 0.0, 0.02]), shares)


def test_naming_learns(music, naming):
    before = naming.directions.detach().clone()
    batches = sound_batches(music, 16, seed=0)
    seen = []
    train_naming(naming, batches, 8, each=seen.append, progress=False)
    assert seen == list(range(8)) and not naming.training
    assert not torch.equal(naming.directions, before)


def test_quality_is_si_sdr(generator):
    target = torch.randn(3, 4_000, generator=generator)
    noise = torch.randn(2, 3, 4_000, generator=generator)
    estimates = target + 0.3 * noise
    expected = si_sdr(estimate=estimates, reference=target.expand(2, 3, -1))
    assert torch.allclose(quality(estimates, target).double(), expected, atol=1e-3)
    assert (quality(target[None], target) == 40).all()


def test_the_preference_loss_by_hand():
    decibels = torch.tensor([[10.0], [0.0], [0.2]])  # the last two are equally good
    similarity = torch.tensor([[0.5], [0.47], [0.53]])
    first, second = np.log1p(np.exp(-1.0)), np.log1p(np.exp(1.0))
    assert preference_loss(similarity, decibels).item() == pytest.approx((first + second) / 2)
    assert preference_loss(similarity, torch.zeros(3, 1)).item() == 0


def test_estimates_are_of_many_qualities_and_the_reference_is_the_best(music):
    scenes = Scenes(music, 2, 0, "cpu")
    group = scenes.group(0)
    estimates = scenes.estimates(group, np.random.default_rng(0))
    decibels = quality(estimates, group.target)
    assert (decibels[0] == 40).all() and (decibels[1:] < 40).all()
    assert decibels[1:].max() - decibels.min() > 15
    # The fifth is the mixture, through a mask of ones.
    mixed = quality((group.target + group.other)[None], group.target)[0]
    assert torch.allclose(decibels[4], mixed, atol=0.05)
    assert (group.labels[0] != group.labels[1]).all()


def test_masks_climb_what_they_are_given_through_noise(music):
    scenes = Scenes(music, 2, 0, "cpu")
    group = scenes.group(1)
    rng, found = np.random.default_rng(0), []
    for _ in range(24):
        logits = group.logits.requires_grad_(True)
        mask = spread(torch.sigmoid(logits), group.patch, group.ideal.shape[1:])
        decibels = quality(scenes.estimate(group, mask)[None], group.target)
        (gradient,) = torch.autograd.grad(decibels.sum(), logits)
        group.logits = logits.detach()
        climb(group, gradient, rng)
        found.append(decibels.mean().item())
    assert found[-1] > found[0] + 1


def test_the_direction_loss_sees_directions_alone(generator):
    one, other = torch.randn(2, 3, 4, 5, generator=generator)
    assert direction_loss(one, 7 * one).item() == pytest.approx(0, abs=1e-6)
    assert direction_loss(one, -one).item() == pytest.approx(2, abs=1e-6)
    flat = one.flatten(1).numpy(), other.flatten(1).numpy()
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(*flat)]
    assert direction_loss(one, other).item() == pytest.approx(1 - np.mean(cosines), abs=1e-6)


def test_preferences_are_learnt_and_repeatable(music):
    def learn():
        torch.manual_seed(0)
        naming = Naming(Bands(), 16, len(music.classes("train")))
        rows = []
        train_preference(
            naming,
            Scenes(music, 2, 0, "cpu"),
            sound_batches(music, 4, seed=1),
            24,
            lr=2e-2,
            each=lambda step, row: rows.append(row),
            progress=False,
        )
        return rows, naming.directions.detach()

    rows, directions = learn()
    for what in ("right", "cosine"):
        found = [row[what] for row in rows]
        assert np.mean(found[-8:]) > np.mean(found[:8]), what
    assert torch.equal(learn()[1], directions)
