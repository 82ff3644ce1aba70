"""The fused Beta mathematics against torch.distributions and SciPy, in float64."""

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch.distributions import Beta, kl_divergence

from mars_lib import beta

KAPPAS = [0.5, 9.0, 99.0]


def distribution(p, kappa):
    return Beta(1 + kappa * p, 1 + kappa * (1 - p))


def by_torch(p, m, q, kappa):
    new, old = distribution(p, kappa), distribution(q, kappa)
    return new.log_prob(m), new.entropy(), kl_divergence(new, old)


def problem(generator, dtype=torch.float64, samples=3, bins=500):
    """Proposals with exact zeros and ones among them, and masks off the edges."""
    p = torch.rand(bins, generator=generator, dtype=torch.float64)
    p[:4] = torch.tensor([0.0, 1.0, 0.0, 1.0])
    q = torch.rand(bins, generator=generator, dtype=torch.float64)
    q[2:6] = torch.tensor([1.0, 1.0, 0.0, 1.0])
    m = torch.rand(samples, bins, generator=generator, dtype=torch.float64)
    return [x.to(dtype) for x in (p, m.clamp(1e-5, 1 - 1e-5), q)]


def slopes(values, p):
    return [torch.autograd.grad(value.sum(), p, retain_graph=True)[0] for value in values]


@pytest.mark.parametrize("kappa", KAPPAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_log_probability_alone_has_the_same_bits(kappa, dtype, generator):
    p, m, q = problem(generator, dtype, bins=beta.CHUNK + 100)
    assert torch.equal(beta.log_prob(p, m, kappa), beta.statistics(p, m, q, kappa)[0])


@pytest.mark.parametrize("kappa", KAPPAS)
def test_statistics_and_gradients_agree_with_torch(kappa, generator):
    p, m, q = problem(generator)
    p.requires_grad_()
    ours, theirs = beta.statistics(p, m, q, kappa), by_torch(p, m, q, kappa)
    for mine, his in zip(ours, theirs):
        assert mine.shape == his.shape and (mine - his).abs().max() < 1e-9
    # Relative to the largest: gradients grow with kappa squared, and so does torch's own rounding.
    for mine, his in zip(slopes(ours, p), slopes(theirs, p)):
        assert (mine - his).abs().max() < 1e-9 * his.abs().max().clamp(min=1)


def test_gradients_agree_with_scipys_polygamma(generator):
    kappa = 9.0
    p, m, q = problem(generator, samples=1)
    p.requires_grad_()
    log_prob, entropy, kl = slopes(beta.statistics(p, m, q, kappa), p)
    x, y, z = (t.detach().numpy() for t in (p, q, m[0]))
    a, b = 1 + kappa * x, 1 + kappa * (1 - x)
    log_b = kappa * (special.digamma(a) - special.digamma(b))
    one_a, one_b = special.polygamma(1, a), special.polygamma(1, b)
    assert np.abs(log_prob.numpy() - (kappa * special.logit(z) - log_b)).max() < 1e-9
    assert np.abs(entropy.numpy() - kappa**2 * ((1 - x) * one_b - x * one_a)).max() < 1e-9
    assert np.abs(kl.numpy() - kappa**2 * (x - y) * (one_a + one_b)).max() < 1e-9


@pytest.mark.parametrize("kappa", KAPPAS)
def test_gradcheck(kappa, generator):
    p, m, q = problem(generator, samples=2, bins=12)
    p.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: beta.statistics(x, m, q, kappa), p)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_masks_and_proposals_of_0_and_1_stay_finite(kappa):
    p, m = torch.meshgrid(*2 * [torch.tensor([0.0, 1.0])], indexing="ij")
    p = p.reshape(-1).clone().requires_grad_()
    m = m.reshape(1, -1)
    values = beta.statistics(p, m, 1 - p.detach(), kappa)
    assert all(torch.isfinite(v).all() for v in (*values, *slopes(values, p)))
    # A mask on the edge counts as one EDGE inside.
    inside = beta.statistics(p, m.clamp(beta.EDGE, 1 - beta.EDGE), 1 - p.detach(), kappa)
    assert torch.equal(values[0], inside[0])


@pytest.mark.parametrize("kappa", KAPPAS)
def test_float32_keeps_four_digits(kappa, generator):
    p, m, q = problem(generator, torch.float32)
    p.requires_grad_()
    exact = p.detach().double().requires_grad_()
    single, double = (
        beta.statistics(p, m, q, kappa),
        beta.statistics(exact, m.double(), q.double(), kappa),
    )
    for a, b in zip((*single, *slopes(single, p)), (*double, *slopes(double, exact))):
        assert a.dtype == torch.float32
        assert (a - b).abs().max() < 1e-4 * b.abs().max().clamp(min=1)


def test_bfloat16_is_computed_in_float32(generator):
    p, m, q = problem(generator, torch.bfloat16)
    p.requires_grad_()
    wide = p.detach().float().requires_grad_()
    plain = beta.statistics(wide, m.float(), q.float(), 9.0)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = beta.statistics(p, m, q, 9.0)
        sample = beta.quantile(p.detach(), torch.rand(p.shape, generator=generator), 9.0)
    assert sample.dtype == torch.float32
    for a, b in zip(mixed, plain):
        assert a.dtype == torch.float32 and torch.equal(a, b) and torch.isfinite(a).all()
    for a, b in zip(slopes(mixed, p), slopes(plain, wide)):
        assert a.dtype == torch.bfloat16 and torch.equal(a, b.bfloat16())


def test_only_the_proposal_learns(generator):
    p, m, q = (x.requires_grad_() for x in problem(generator))
    sum(value.sum() for value in beta.statistics(p, m, q, 9.0)).backward()
    assert p.grad.abs().sum() > 0 and m.grad is None and q.grad is None


def test_chunks_leave_no_seams(generator, monkeypatch):
    p, m, q = problem(generator)
    p.requires_grad_()
    whole = beta.statistics(p, m, q, 9.0)
    expected = slopes(whole, p)
    monkeypatch.setattr(beta, "CHUNK", 7)
    parts = beta.statistics(p, m, q, 9.0)
    for a, b in zip((*parts, *slopes(parts, p)), (*whole, *expected)):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_log_gamma_against_scipy():
    x = torch.cat([torch.linspace(1, 12, 5_001), torch.logspace(1, 3, 500)]).double()
    lgamma, digamma, trigamma = (value.numpy() for value in beta.log_gamma_derivatives(x))
    x = x.numpy()
    assert np.allclose(lgamma, special.gammaln(x), rtol=1e-13, atol=1e-10)
    assert np.abs(digamma - special.digamma(x)).max() < 1e-10
    assert np.abs(trigamma - special.polygamma(1, x)).max() < 1e-10
    assert np.array_equal(beta.log_gamma(torch.from_numpy(x)).numpy(), lgamma)


# 0.0039 and 0.9961 lie between the table's first and its last two rows, its worst place.
PROPOSALS = [0.0, 0.0039, 0.1, 0.5, 0.77, 0.9961, 1.0]


@pytest.mark.parametrize("p", PROPOSALS)
@pytest.mark.parametrize("kappa, tolerance", [(0.5, 1e-3), (9.0, 1e-3), (99.0, 1e-2)])
def test_quantile_inverts_the_distribution_function(p, kappa, tolerance):
    u = torch.linspace(0, 1, 20_001)
    q = beta.quantile(torch.full((1,), p), u[:, None], kappa)[:, 0]
    exact = stats.beta(1 + kappa * p, 1 + kappa * (1 - p))
    assert q.min() >= beta.EDGE and q.max() <= 1 - beta.EDGE and (q.diff() >= 0).all()
    assert np.abs(exact.cdf(q.double().numpy()) - u.double().numpy()).max() < tolerance


@pytest.mark.parametrize("p", PROPOSALS)
@pytest.mark.parametrize("kappa", [0.5, 9.0, 49.0])
def test_samples_pass_kolmogorov_smirnov(p, kappa, generator):
    u = torch.rand(10_000, 1, generator=generator)
    sample = beta.quantile(torch.full((1,), p), u, kappa)[:, 0]
    exact = stats.beta(1 + kappa * p, 1 + kappa * (1 - p))
    assert stats.kstest(sample.double().numpy(), exact.cdf).pvalue > 1e-3


@pytest.mark.parametrize("p", PROPOSALS)
@pytest.mark.parametrize("kappa", KAPPAS)
def test_moments_of_the_quantile_function(p, kappa):
    """The mean, and the mean log density, which shows the tails: it must be minus the entropy."""
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    q = beta.quantile(torch.full((1,), p), u[:, None], kappa)[:, 0].double()
    exact = stats.beta(1 + kappa * p, 1 + kappa * (1 - p))
    assert abs(q.mean() - exact.mean()) < 2e-5
    assert abs(exact.logpdf(q.numpy()).mean() + exact.entropy()) < 0.02


@pytest.mark.parametrize("kappa", [0.5, 9.0])
def test_pathwise_gradient_against_finite_differences(kappa):
    u = torch.linspace(0.02, 0.98, 49)[:, None]
    p = torch.tensor([0.1, 0.33, 0.5, 0.77, 0.9], requires_grad=True)
    rows = [torch.autograd.grad(beta.quantile(p, row, kappa).sum(), p)[0] for row in u]
    x, step = p.detach().double().numpy(), 1e-4
    high, low = (
        stats.beta(1 + kappa * y, 1 + kappa * (1 - y)).ppf(u.double().numpy())
        for y in (x + step, x - step)
    )
    expected = (high - low) / (2 * step)
    assert np.abs(torch.stack(rows).numpy() - expected).max() < 0.02 * expected.max()


def test_pathwise_gradient_agrees_with_torchs_rsample_in_expectation():
    """d/dP E[M^2], from ours on a grid of u, from torch's implicit gradient on random samples."""
    kappa, p = 9.0, torch.full((40_000,), 0.3, dtype=torch.float64, requires_grad=True)
    u = (torch.arange(len(p)) + 0.5) / len(p)
    ours = torch.autograd.grad(beta.quantile(p, u, kappa).square().sum(), p)[0].double()
    torch.manual_seed(0)
    theirs = torch.autograd.grad(distribution(p, kappa).rsample().square().sum(), p)[0]
    error = theirs.std() / len(p) ** 0.5
    assert abs(ours.mean() - theirs.mean()) < 4 * error


@pytest.mark.parametrize("kappa", KAPPAS)
def test_u_and_its_mirror_are_antithetic(kappa, generator):
    p = torch.rand(200, generator=generator)
    u = torch.rand(200, generator=generator)
    # Beta(a, b) and Beta(b, a) mirror each other.
    mirrored = 1 - beta.quantile(1 - p, 1 - u, kappa)
    assert torch.allclose(beta.quantile(p, u, kappa), mirrored, atol=2e-5)
    pair = torch.stack([beta.quantile(p, u, kappa), beta.quantile(p, 1 - u, kappa)])
    mean = (1 + kappa * p) / (kappa + 2)
    assert ((pair - mean).prod(dim=0).mean()) < 0
