"""What a mean over mixtures is worth: standard error, bootstrap, paired bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mars_lib.check import fail

DRAWS = 10_000


def summary(values: Sequence[float], seed: int = 0) -> dict:
    """{"mean", "sem", "ci95": [low, high]} of per-mixture values, in their unit."""
    values = _clean(values)
    low, high = bootstrap_interval(values, seed=seed)
    return {"mean": float(values.mean()), "sem": standard_error(values), "ci95": [low, high]}


def standard_error(values: Sequence[float]) -> float:
    """Standard deviation (n - 1) over the root of n: the "±" of the paper's tables."""
    values = _clean(values)
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def bootstrap_interval(
    values: Sequence[float], level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (Efron, 1979), 10,000 draws."""
    values = _clean(values)
    tail = (1 - level) / 2
    low, high = np.quantile(_resampled_means(values, seed), [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class PairedDifference:
    """System a minus system b on the same mixtures."""

    mean: float
    ci95: tuple[float, float]
    share_better: float


def paired_bootstrap(a: Sequence[float], b: Sequence[float], seed: int = 0) -> PairedDifference:
    """Mean of a - b with its 95 % interval, and the share of mixtures where a is above b.

    Pairing removes how hard a mixture is, which is most of the spread. Raises `InputError` for unequal lengths.
    """
    a, b = _clean(a), _clean(b)
    if len(a) != len(b):
        fail("paired bootstrap", f"has {len(a)} and {len(b)} values", "score the same mixtures")
    return PairedDifference(
        float((a - b).mean()), bootstrap_interval(a - b, seed=seed), float((a > b).mean())
    )


def macro_average(values: Sequence[float], categories: Sequence[str]) -> float:
    """Mean within each category, then mean over categories (Appendix C).

    >>> macro_average([1.0, 3.0, 10.0], ["a", "a", "b"])
    6.0
    """
    values, names = _clean(values), np.asarray(categories)
    if len(values) != len(names):
        fail("macro average", f"has {len(values)} values, {len(names)} categories", "pair them")
    return float(np.mean([values[names == name].mean() for name in np.unique(names)]))


def _resampled_means(values: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    means = [
        values[rng.integers(len(values), size=(1_000, len(values)))].mean(axis=1)
        for _ in range(DRAWS // 1_000)
    ]
    return np.concatenate(means)


def _clean(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        fail("values", f"have shape {array.shape}", "give a list of at least one number")
    if not np.isfinite(array).all():
        fail("values", "hold NaN or infinities", "skip those mixtures and report their count")
    return array
