"""Beta(1 + kappa P, 1 + kappa (1 - P)), Eq. 2's distribution: fused statistics, quick samples.

Its two parameters always sum to kappa + 2, so it has one shape parameter, P. That makes it cheap.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import betainc, betaincinv
from torch.autograd.function import BackwardCFunction, FunctionCtx, once_differentiable

# Values of a mask this near to 0 and 1 are moved inside, where logarithms are finite.
EDGE = 1e-6
# Bins at a time: temporaries stay in the processor's cache.
CHUNK = 65_536
# Nodes of the quantile table over P and over the probability u.
ROWS, COLUMNS = 129, 513


def statistics(
    proposal: torch.Tensor, action: torch.Tensor, old_proposal: torch.Tensor, kappa: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probability, entropy and KL per bin in one pass, with closed-form gradients.

    With a = 1 + kappa P, b = 1 + kappa (1 - P), B the Beta function, psi the digamma function:

        log_prob = kappa (P log M + (1 - P) log(1 - M)) - log B(P)                  (Eq. 2)
        entropy  = log B(P) - kappa (P psi(a) + (1 - P) psi(b)) + kappa psi(kappa + 2)
        KL       = log B(Q) - log B(P) + (P - Q) log B'(P),    log B'(P) = kappa (psi(a) - psi(b))

    Args:
        proposal: (...) P in [0, 1]. The only argument that receives a gradient.
        action: (G, ...) M in [0, 1]; values nearer than `EDGE` to 0 and 1 are moved inside.
        old_proposal: (...) Q in [0, 1].
        kappa: the concentration, above 0.

    Returns:
        log_prob (G, ...), entropy (...), and KL(new || old) (...): float32, or float64 for float64.
    """
    log_prob, entropy, kl = _Statistics.apply(proposal, action, old_proposal, kappa)
    return log_prob, entropy, kl


def log_prob(proposal: torch.Tensor, action: torch.Tensor, kappa: float) -> torch.Tensor:
    """The log-probability of `statistics` alone, bit for bit, without a gradient.

    Args:
        proposal: (...) P in [0, 1].
        action: (G, ...) M in [0, 1].
        kappa: the concentration, above 0.

    Returns:
        (G, ...) float32, or float64 for float64.
    """
    dtype = torch.promote_types(proposal.dtype, torch.float32)
    p = proposal.detach().reshape(-1).to(dtype)
    found = action.detach().reshape(-1, p.numel()).to(dtype)
    made = torch.empty_like(found)
    for part in _parts(p):
        m, of = found[:, part].clamp(EDGE, 1 - EDGE), p[part]
        made[:, part] = _log_prob(of, m, kappa * torch.logit(m), log_beta(of, kappa), kappa)
    return made.reshape(action.shape)


def _log_prob(
    p: torch.Tensor, m: torch.Tensor, logit: torch.Tensor, log_beta_p: torch.Tensor, kappa: float
) -> torch.Tensor:
    """Eq. 2 per bin; `logit` is kappa log(m / (1 - m))."""
    return p * logit + kappa * (-m).log1p() - log_beta_p


def _parts(p: torch.Tensor) -> list[slice]:
    """Slices of (n,) bins that are computed at a time."""
    step = CHUNK if p.device.type == "cpu" else max(1, p.numel())
    return [slice(start, start + step) for start in range(0, p.numel(), step)]


class _Statistics(torch.autograd.Function):
    """`statistics`, whose forward pass also computes the three derivatives by P."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        proposal: torch.Tensor,
        action: torch.Tensor,
        old_proposal: torch.Tensor,
        kappa: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        dtype = torch.promote_types(proposal.dtype, torch.float32)
        shape, groups = proposal.shape, action.shape[: action.ndim - proposal.ndim]
        p_all, q_all = (x.detach().reshape(-1).to(dtype) for x in (proposal, old_proposal))
        m_all = action.detach().reshape(-1, p_all.numel()).to(dtype)
        log_prob, log_prob_slope = torch.empty_like(m_all), torch.empty_like(m_all)
        entropy, entropy_slope, kl, kl_slope = (torch.empty_like(p_all) for _ in range(4))
        psi_sum = torch.digamma(torch.tensor(kappa + 2.0, dtype=torch.float64)).item()
        for part in _parts(p_all):
            p, q, m = p_all[part], q_all[part], m_all[:, part].clamp(EDGE, 1 - EDGE)
            new, old_log_beta = log_beta_derivatives(p, kappa), log_beta(q, kappa)
            moved, logit = p - q, kappa * torch.logit(m)
            log_prob[:, part] = _log_prob(p, m, logit, new.value, kappa)
            log_prob_slope[:, part] = logit - new.slope
            # P psi(a) + (1 - P) psi(b), written as P log B'(P) / kappa + psi(b).
            entropy[part] = new.value - p * new.slope - kappa * (new.psi_b - psi_sum)
            entropy_slope[part] = kappa**2 * new.psi1_b - p * new.curvature
            kl[part] = old_log_beta - new.value + moved * new.slope
            kl_slope[part] = moved * new.curvature
        ctx.save_for_backward(log_prob_slope, entropy_slope, kl_slope)
        return log_prob.reshape(*groups, *shape), entropy.reshape(shape), kl.reshape(shape)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: BackwardCFunction,
        log_prob_grad: torch.Tensor,
        entropy_grad: torch.Tensor,
        kl_grad: torch.Tensor,
    ) -> tuple[torch.Tensor, None, None, None]:
        slopes: tuple[torch.Tensor, ...] = ctx.saved_tensors
        log_prob_slope, entropy_slope, kl_slope = slopes
        grad = entropy_grad.reshape(-1) * entropy_slope
        grad.addcmul_(kl_grad.reshape(-1), kl_slope)
        for one, slope in zip(log_prob_grad.reshape(log_prob_slope.shape), log_prob_slope):
            grad.addcmul_(one, slope)
        # Autograd brings it to the proposal's own type.
        return grad.reshape(entropy_grad.shape), None, None, None


class LogBeta(NamedTuple):
    """log B(1 + kappa P, 1 + kappa (1 - P)) and its first two derivatives by P, each (n,).

    Attributes:
        value: log B(P).
        slope: log B'(P) = kappa (psi(a) - psi(b)).
        curvature: log B''(P) = kappa^2 (psi1(a) + psi1(b)), psi1 the trigamma function.
        psi_b: psi(b), which the entropy needs by itself.
        psi1_b: psi1(b), which the entropy's derivative needs by itself.
    """

    value: torch.Tensor
    slope: torch.Tensor
    curvature: torch.Tensor
    psi_b: torch.Tensor
    psi1_b: torch.Tensor


def log_beta(p: torch.Tensor, kappa: float) -> torch.Tensor:
    """log B(P) of Eq. 2's parameters: (n,) -> (n,)."""
    lgamma_a, lgamma_b = log_gamma(_parameters(p, kappa))
    return lgamma_a + lgamma_b - math.lgamma(kappa + 2)


def log_beta_derivatives(p: torch.Tensor, kappa: float) -> LogBeta:
    """log B(P) of Eq. 2's parameters with its derivatives by P: (n,) -> five times (n,)."""
    (lgamma_a, lgamma_b), (psi_a, psi_b), (psi1_a, psi1_b) = log_gamma_derivatives(
        _parameters(p, kappa)
    )
    return LogBeta(
        value=lgamma_a + lgamma_b - math.lgamma(kappa + 2),
        slope=kappa * (psi_a - psi_b),
        curvature=kappa**2 * (psi1_a + psi1_b),
        psi_b=psi_b,
        psi1_b=psi1_b,
    )


def _parameters(p: torch.Tensor, kappa: float) -> torch.Tensor:
    """Eq. 2's alpha and beta, stacked: (n,) -> (2, n)."""
    return 1 + kappa * torch.stack([p, 1 - p])


class _Shifted(NamedTuple):
    """What log Gamma(x) and its derivatives share: Gamma(x + 6) = product * Gamma(x).

    `product` is x (x + 1) ... (x + 5) = t (t + 4) (t + 6) with t = x (x + 5). Above y = x + 6 >= 7
    the asymptotic series holds, a polynomial in `z` = 1 / y^2 times `inverse` = 1 / y.
    """

    y: torch.Tensor
    t: torch.Tensor
    product: torch.Tensor
    log_y: torch.Tensor
    inverse: torch.Tensor
    z: torch.Tensor


def _shift(x: torch.Tensor) -> _Shifted:
    """Six steps of Gamma(x + 1) = x Gamma(x)."""
    y, t = x + 6, x * (x + 5)
    inverse, log_y = y.reciprocal(), y.log()
    product = (t + 10).mul_(t).add_(24).mul_(t)
    return _Shifted(y, t, product, log_y, inverse, inverse * inverse)


def _log_gamma(at: _Shifted) -> torch.Tensor:
    """Abramowitz and Stegun, 6.1.41."""
    lgamma = (at.y - 0.5).mul_(at.log_y).sub_(at.y).add_(0.5 * math.log(2 * math.pi))
    lgamma.sub_(at.product.log())
    return lgamma.add_(at.inverse * _series(at.z, 1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188))


def log_gamma(x: torch.Tensor) -> torch.Tensor:
    """log Gamma(x) for x >= 1, to 1e-10 in float64."""
    return _log_gamma(_shift(x))


def log_gamma_derivatives(
    x: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """log Gamma(x) for x >= 1 and its first two derivatives, to 1e-10 in float64.

    Series: Abramowitz and Stegun, 6.1.41, 6.3.18 and 6.4.12.

    Returns:
        lgamma, digamma and trigamma of x, each of the shape of x.
    """
    at = _shift(x)
    lgamma, t, product, z = _log_gamma(at), at.t, at.product, at.z
    # The product's logarithm by t, once and twice; dt/dx = 2 x + 5, whose square is 4 t + 25.
    first = (3 * t).add_(20).mul_(t).add_(24).div_(product)
    second = (6 * t).add_(20).div_(product).sub_(first * first)
    digamma = at.log_y.sub(at.inverse, alpha=0.5).sub_((2 * x).add_(5).mul_(first))
    digamma -= z * _series(z, 1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132)
    trigamma = (z * _series(z, 1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66)).add_(1).mul_(at.inverse)
    trigamma.add_(z, alpha=0.5).sub_((4 * t).add_(25).mul_(second)).sub_(first, alpha=2)
    return lgamma, digamma, trigamma


def _series(z: torch.Tensor, *coefficients: float) -> torch.Tensor:
    """The polynomial in z = 1 / y^2; for float32 its first two terms: the third is below 5e-8."""
    if z.dtype == torch.float32:
        coefficients = coefficients[:2]
    value = (z * coefficients[-1]).add_(coefficients[-2])
    for coefficient in coefficients[-3::-1]:
        value.mul_(z).add_(coefficient)
    return value


def quantile(proposal: torch.Tensor, probability: torch.Tensor, kappa: float) -> torch.Tensor:
    """The mask value below which a share `probability` of the policy's samples lies.

    Interpolated in a table over P and u. A uniform `probability` u gives a sample, 1 - u its
    antithetic twin, and autograd gives the pathwise derivative by P.

    Args:
        proposal: (...) P in [0, 1].
        probability: (G, ...) u in [0, 1].
        kappa: the concentration, above 0.

    Returns:
        (G, ...) float32 in [`EDGE`, 1 - `EDGE`].
    """
    table = _quantile_table(float(kappa), proposal.device)
    row = proposal.float() * (ROWS - 1)
    column = probability.float() * (COLUMNS - 1)
    i = row.detach().floor().clamp(0, ROWS - 2)
    j = column.floor().clamp(0, COLUMNS - 2)
    # NaN is no place in the table, and a card would end the process for it.
    cell = (i * (COLUMNS - 1) + j).nan_to_num(0.0).long()
    corners = table.index_select(0, cell.flatten()).view(*cell.shape, 4)
    low = torch.lerp(corners[..., 0], corners[..., 1], column - j)
    high = torch.lerp(corners[..., 2], corners[..., 3], column - j)
    return torch.lerp(low, high, (row - i).expand_as(low)).clamp(EDGE, 1 - EDGE)


@lru_cache(maxsize=16)
def _quantile_table(kappa: float, device: torch.device) -> torch.Tensor:
    """The four corners of every cell in a row, (cells, 4) float32, so that a sample is one look-up.

    The first and the last cell hold the tails, which are no straight lines: their outer nodes are
    chosen so that the cell's mean is exact. Then the samples' mean is the policy's.
    """
    p = np.linspace(0, 1, ROWS)[:, None]
    a, b = 1 + kappa * p, 1 + kappa * (1 - p)
    q = betaincinv(a, b, np.linspace(0, 1, COLUMNS)[None])
    # The integral of the quantile function from 0 to q, as a share of the mean.
    share = betainc(a + 1, b, q[:, [1, -2]]) * a / (kappa + 2)
    q[:, 0] = 2 * (COLUMNS - 1) * share[:, 0] - q[:, 1]
    q[:, -1] = 2 * (COLUMNS - 1) * (a[:, 0] / (kappa + 2) - share[:, 1]) - q[:, -2]
    corners = np.stack([q[:-1, :-1], q[:-1, 1:], q[1:, :-1], q[1:, 1:]], axis=-1)
    return torch.from_numpy(corners.astype(np.float32).reshape(-1, 4)).to(device)
