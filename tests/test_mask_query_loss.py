import pytest
import torch
from torch.nn import functional

from mars_lib import loss, mask, query, stft
from mars_lib.baselines.clipsep_nit import noise_invariant
from mars_lib.check import InputError


def test_ideal_masks(generator):
    references = torch.rand(2, 3, 6, 5, generator=generator)
    mixture = references.sum(dim=1)
    binary, ratio = mask.ideal_binary(references, mixture), mask.ideal_ratio(references)
    assert set(binary.unique().tolist()) <= {0.0, 1.0}
    # More than half of the sum: at most one owner a bin.
    assert (binary.sum(dim=1) <= 1).all()
    assert torch.allclose(ratio.sum(dim=1), torch.ones(2, 6, 5))
    assert torch.equal(binary, (ratio > 0.5).float())
    assert torch.allclose(mask.ideal_ratio(torch.zeros(2, 1, 1)), torch.full((2, 1, 1), 0.5))


def test_a_mask_of_ones_gives_the_mixture(signal, generator):
    mixture = torch.randn(5_000, generator=generator)
    X = stft.stft(mixture, signal)
    estimate = mask.to_waveform(torch.ones(X.shape), X, signal, 5_000)
    assert (estimate - mixture).abs().max() < 1e-5
    with pytest.raises(InputError, match="mask"):
        mask.apply(torch.ones(3, 3), X)


def test_masks_and_spectrograms_of_other_kinds_are_named(signal, generator):
    mixture = torch.randn(5_000, generator=generator)
    X = stft.stft(mixture, signal)
    for call, problem in (
        (
            lambda: mask.ideal_binary(torch.rand(2, 6, 5), torch.rand(6, 4)),
            "reference magnitude: has shape",
        ),
        (lambda: mask.apply(torch.ones(X.shape).tolist(), X), "mask: is a list"),
        (lambda: stft.stft(mixture.numpy(), signal), "waveform: is a ndarray"),
        (lambda: stft.stft(X.flatten(), signal), "waveform: is complex"),
        (lambda: stft.istft(X.abs(), signal, 5_000), "spectrogram: is real"),
    ):
        with pytest.raises(InputError, match=problem):
            call()


def test_query_mixup_by_hand():
    q = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    weights = torch.tensor([0.5, 1.0, 0.25])
    expected = (0.5 * q[0] + 1.0 * q[1] + 0.25 * q[2]) / 1.75
    assert torch.allclose(query.query_mixup(q, weights), expected)


def test_query_mixup_properties(generator):
    q = functional.normalize(torch.randn(4, 3, 8, generator=generator), dim=-1)
    w = query.random_weights((4, 3), generator)
    mixed = query.query_mixup(q, w)
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(mixed, query.query_mixup(q[:, order], w[:, order]), atol=1e-6)
    assert torch.allclose(mixed, query.query_mixup(q, w / 2), atol=1e-6)
    assert (mixed.norm(dim=-1) <= 1 + 1e-6).all() and (w > 0).all() and (w <= 1).all()


@pytest.mark.parametrize("weights", [[0.0, 0.0], [-0.1, 1.0], [1.2, 0.5], [float("nan"), 1.0]])
def test_weights_that_make_no_query(weights):
    with pytest.raises(InputError, match="query weights"):
        query.query_mixup(torch.eye(2), torch.tensor(weights))


def test_negative_query_by_hand():
    q, n = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert query.subtract(q, n, 0.5).tolist() == [1.5, -0.5]
    assert torch.equal(query.subtract(q, n, 0.0), q)
    with pytest.raises(InputError, match="strength"):
        query.subtract(q, n, -1.0)
    for strength in (float("nan"), "0.5", None):
        with pytest.raises(InputError, match="strength: is .*; give a number from 0 to 10"):
            query.subtract(q, n, strength)


def test_wbce_by_hand():
    proposal = torch.tensor([[[[0.25]], [[0.5]]]])
    ideal = torch.tensor([[[[1.0]], [[0.0]]]])
    magnitude = torch.tensor([[[1.0]]])
    weight = torch.log(torch.tensor(2.0))
    by_hand = weight * (torch.log(torch.tensor(4.0)) + torch.log(torch.tensor(2.0))) / 2
    assert torch.isclose(loss.wbce(proposal, ideal, magnitude), by_hand)


def test_wbce_gradient_and_bounds():
    weight = loss.wbce_weight(torch.tensor([0.0, 1e9]))
    assert weight.tolist() == pytest.approx([1e-3, 10.0])
    proposal = torch.rand(1, 2, 3, 4, dtype=torch.float32, requires_grad=True)
    ideal = (torch.rand(1, 2, 3, 4) > 0.5).float()
    value = loss.wbce(proposal, ideal, torch.rand(1, 3, 4))
    value.backward()
    # Descent moves every bin towards its ideal.
    assert ((proposal.grad < 0) == (ideal > 0.5)).all()
    exact = loss.wbce(ideal, ideal, torch.rand(1, 3, 4))
    assert exact == 0 and torch.isfinite(loss.wbce(1 - ideal, ideal, torch.rand(1, 3, 4)))


def test_masks_that_are_no_numbers_end_supervised_training_with_the_remedy():
    """Torch's own "all elements of input should be between 0 and 1" names no remedy."""
    broken, ideal = torch.full((1, 2, 3, 4), float("nan")), torch.ones(1, 2, 3, 4)
    with pytest.raises(FloatingPointError, match="the masks are no longer finite"):
        loss.wbce(broken, ideal, torch.rand(1, 3, 4))
    with pytest.raises(FloatingPointError, match="the masks are no longer finite"):
        noise_invariant(broken, broken, ideal, torch.rand(1, 1, 3, 4))
