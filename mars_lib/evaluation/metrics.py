"""How good an estimate is. Decibels, keyword-only `estimate=` and `reference=`, any batch shape.

These functions know nothing of rewards, policies or encoders: a metric must not know the objective.
Wherever the sounds are, metrics are computed in float64 on the CPU: MPS has none, and SciPy and
NumPy take part.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.optimize import linear_sum_assignment
from torch.nn import functional as F

from mars_lib import check

# Appendix C: an item whose absolute sum is not above this is silent, and its mixture is skipped.
SILENCE = 1e-5


def si_sdr(*, estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Scale-invariant SDR in dB, Eq. 13: (..., L) and (..., L) -> (...), float64.

    Cropped to the common length, zero mean, no delay search. A perfect estimate gives +inf, a
    silent one or one at right angles -inf, two silences NaN: apply `is_silent` first.

    >>> s = torch.tensor([1.0, -1.0, 1.0, -1.0]); n = torch.tensor([1.0, 1.0, -1.0, -1.0])
    >>> round(si_sdr(estimate=5 * (s + 0.1 * n), reference=s).item(), 6)
    20.0
    """
    estimate, reference = _aligned(estimate, reference)
    norm = torch.linalg.vector_norm(reference, dim=-1)
    scale = torch.linalg.vecdot(estimate, reference) / norm.square()
    noise = torch.linalg.vector_norm(estimate - scale.unsqueeze(-1) * reference, dim=-1)
    return 20 * torch.log10(scale.abs() * norm / noise)


def is_silent(waveform: torch.Tensor) -> torch.Tensor:
    """The energy guard of Appendix C: sum of absolute values <= 1e-5. (..., L) -> (...) bool."""
    return torch.linalg.vector_norm(_exact(waveform), ord=1, dim=-1) <= SILENCE


@dataclass(frozen=True)
class Improvement:
    """Eq. 14 for one mixture, one entry a reference; all are empty where the energy guard skips it.

    Attributes:
        si_sdr: SI-SDR of each reference's matched estimate, in dB.
        baseline: SI-SDR of the mixture against each reference, in dB.
        permutation: number of the estimate that is matched to each reference.
        matrix: (N, N); `matrix[k, n]` is the SI-SDR of estimate n against reference k, from which
            the permutation picks `si_sdr`.
    """

    si_sdr: list[float]
    baseline: list[float]
    permutation: list[int]
    matrix: torch.Tensor

    @property
    def skipped(self) -> bool:
        """True where a reference or its matched estimate is silent."""
        return not self.si_sdr

    @property
    def mean(self) -> float:
        """SI-SDRi of the mixture in dB: the mean gain over its sources."""
        return sum(a - b for a, b in zip(self.si_sdr, self.baseline)) / len(self.si_sdr)


def si_sdr_improvement(
    *, estimate: torch.Tensor, reference: torch.Tensor, mixture: torch.Tensor, permute: bool = True
) -> Improvement:
    """SI-SDRi of one mixture (Appendix C, Eq. 14).

    Args:
        estimate: (N, L), one for each source.
        reference: (N, L), the sources.
        mixture: (L,).
        permute: True is the paper's protocol: S[k, n] = SI-SDR(estimate n, reference k), Hungarian
            algorithm on -S. False takes estimate n for reference n, as a query demands; with N = 1
            it is the target-only protocol of OmniSep's code.
    """
    n = len(reference)
    scores = si_sdr(estimate=estimate[None, :], reference=reference[:, None])
    order = torch.arange(n)
    if permute:
        usable = torch.nan_to_num(scores, nan=-1e3, posinf=1e3, neginf=-1e3)
        order = torch.from_numpy(linear_sum_assignment(-usable.detach().cpu().numpy())[1])
    if (is_silent(reference) | is_silent(estimate[order])).any():
        return Improvement([], [], [], scores.new_empty(0, 0))
    baseline = si_sdr(estimate=mixture.expand_as(reference), reference=reference)
    matched = scores[torch.arange(n), order]
    return Improvement(matched.tolist(), baseline.tolist(), order.tolist(), scores)


def snr(*, estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """10 log10(|s|^2 / |s - estimate|^2) in dB: (..., L) -> (...), float64.

    For a mono source this is museval's SDR exactly, whatever the window: its 512-tap filters act on
    SIR and SAR alone.
    """
    length = min(estimate.shape[-1], reference.shape[-1])
    estimate, reference = _exact(estimate[..., :length]), _exact(reference[..., :length])
    noise = torch.linalg.vector_norm(reference - estimate, dim=-1)
    return 20 * torch.log10(torch.linalg.vector_norm(reference, dim=-1) / noise)


@dataclass(frozen=True)
class BssEval:
    """SDR, SIR and SAR in dB, each of the shape of the estimates without L."""

    sdr: torch.Tensor
    sir: torch.Tensor
    sar: torch.Tensor


def bss_eval(*, estimate: torch.Tensor, reference: torch.Tensor, taps: int = 512) -> BssEval:
    """SDR, SIR, SAR of one mixture as museval's `bss_eval(window=inf)` without permutation.

    With P_k the projection on the `taps` shifts of reference k and P that on the shifts of all
    (Vincent et al., 2006): SIR = |P_k e|^2 / |P e - P_k e|^2, SAR = |P e|^2 / |e - P e|^2, and SDR
    is the SNR. A part of the estimate that is no more than the rounding of these projections counts
    as none, so that SIR and SAR may be infinite (`_parts`).

    Args:
        estimate: (..., N, L) mono estimates, of any number of systems.
        reference: (N, L) mono sources.
        taps: length of the filters that a source may pass and still count as itself.

    Returns:
        Decibels (..., N), float64, on the CPU.

    Raises:
        InputError: for silence, for which there is no projection.
    """
    check.shape("reference", reference, "N L")
    check.shape("estimate", estimate, "... N L", N=reference.shape[0])
    if is_silent(reference).any() or is_silent(estimate).any():
        check.fail("bss_eval", "a reference or estimate is silent", "skip it (see is_silent)")
    length, n = min(estimate.shape[-1], reference.shape[-1]), len(reference)
    reference = _exact(reference[:, :length])
    estimate = _exact(estimate[..., :length])
    refs, ests = F.normalize(reference, dim=-1), estimate.reshape(-1, length)
    cross = _correlation(ests, refs, taps)
    auto = _correlation(refs, refs, taps)
    lags = torch.cat([auto.transpose(0, 1).flip(-1)[..., :-1], auto], dim=-1)
    # gram[j, a, k, b] = <reference j delayed by a, reference k delayed by b>, of the lag b - a
    # alone
    rows = np.lib.stride_tricks.sliding_window_view(lags.numpy(), taps, axis=-1)[:, :, ::-1]
    gram = torch.from_numpy(rows.transpose(0, 2, 1, 3).copy())
    parts = ests.new_empty(3, len(ests))
    for k in range(n):
        first = [k, *(j for j in range(n) if j != k)]
        square = gram[first][:, :, first].reshape(n * taps, n * taps)
        parts[:, k::n] = _parts(ests[k::n], refs[first], square, cross[k::n, first])
    target, interference, artefacts = parts.reshape(3, *estimate.shape[:-1])
    return BssEval(
        snr(estimate=estimate, reference=reference),
        10 * torch.log10(target / interference),
        10 * torch.log10((target + interference) / artefacts),
    )


def _parts(
    estimate: torch.Tensor, reference: torch.Tensor, gram: torch.Tensor, cross: torch.Tensor
) -> torch.Tensor:
    """Energies of target, interference and artefacts in (M, L) estimates of the first reference:
    (3, M).

    With G = L L' and y = L^-1 c, |P e|^2 = |y|^2, of which the rows of the first reference are |P_k
    e|^2 and the others the interference: nothing is subtracted that is nearly as large. Where the
    artefacts are small they are measured sample by sample. In float64 y is then known to K eps
    sqrt(condition of G) of the estimate, K the size of G; an energy below the square of that is
    rounding and counts as 0.
    """
    taps, size, eps = cross.shape[-1], len(gram), torch.finfo(torch.float64).eps
    factor, failed = torch.linalg.cholesky_ex(gram)
    if failed:
        # Band-limited references: positive in theory, not quite in floating point.
        factor = torch.linalg.cholesky(gram + size * eps * torch.eye(size, dtype=gram.dtype))
    y = torch.linalg.solve_triangular(factor, cross.flatten(1).T, upper=False)
    energy = estimate.square().sum(dim=-1)
    target, interference = (part.square().sum(dim=0) for part in (y[:taps], y[taps:]))
    artefacts = energy - target - interference
    small = artefacts < 1e-4 * energy
    if small.any():
        filters = torch.linalg.solve_triangular(factor.mT, y[:, small], upper=True)
        filters = filters.T.reshape(-1, len(reference), taps)
        artefacts[small] = _residual(estimate[small], reference, filters)
    pivots = factor.diagonal()
    floor = (size * eps * pivots.max() / pivots.min()).square() * energy
    parts = torch.stack([target, interference, artefacts])
    return torch.where(parts > floor, parts, 0.0)


def _residual(
    estimate: torch.Tensor, reference: torch.Tensor, filters: torch.Tensor
) -> torch.Tensor:
    """|e - sum of the filtered references|^2: (M, L), (N, L) and (M, N, taps) -> (M,)."""
    size = estimate.shape[-1] + filters.shape[-1] - 1
    padded = next_fast_len(size, real=True)
    spectrum = torch.fft.rfft(filters, padded) * torch.fft.rfft(reference, padded)
    explained = torch.fft.irfft(spectrum.sum(dim=1), padded)[:, :size]
    return (F.pad(estimate, (0, filters.shape[-1] - 1)) - explained).square().sum(dim=-1)


def _correlation(
    estimate: torch.Tensor, reference: torch.Tensor, taps: int, size: int = 4096
) -> torch.Tensor:
    """<estimate, reference k delayed by d> for d < taps: (M, L) and (N, L) -> (M, N, taps).

    By blocks that stay in the cache: the lags are few and the sound is long, so one short inverse
    transform serves all of it.
    """
    hop = size - taps + 1
    reference = F.pad(reference, (taps - 1, 0))
    product = torch.zeros(len(estimate), len(reference), size // 2 + 1, dtype=torch.complex128)
    for start in range(0, estimate.shape[-1], hop):
        block = torch.fft.rfft(estimate[:, start : start + hop], size).conj().resolve_conj()
        product.addcmul_(block[:, None], torch.fft.rfft(reference[:, start : start + size], size))
    return torch.fft.irfft(product, size)[..., :taps].flip(-1)


def _aligned(estimate: torch.Tensor, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Common length, float64, zero mean."""
    length = min(estimate.shape[-1], reference.shape[-1])
    estimate, reference = _exact(estimate[..., :length]), _exact(reference[..., :length])
    return estimate - estimate.mean(-1, keepdim=True), reference - reference.mean(-1, keepdim=True)


def _exact(waveform: torch.Tensor) -> torch.Tensor:
    return waveform.to("cpu").double()
