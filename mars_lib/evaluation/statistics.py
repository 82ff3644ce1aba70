"""What a mean over seeds and mixtures is worth: standard error, bootstrap, paired bootstrap.

Values are (mixtures,), or (seeds, mixtures) of one system trained with several seeds.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from mars_lib.check import fail

DRAWS = 10_000


class Summary(TypedDict):
    """Mean, standard error over mixtures and 95 % interval [low, high], in the values' unit."""

    mean: float
    sem: float
    ci95: list[float]


def summary(values: ArrayLike, seed: int = 0) -> Summary:
    """Mean, standard error and 95 % bootstrap interval of per-mixture values."""
    array = _clean(values)
    low, high = bootstrap_interval(array, seed=seed)
    return {"mean": float(array.mean()), "sem": standard_error(array), "ci95": [low, high]}


def with_interval(found: Summary, digits: str = ".2f") -> str:
    """A mean and its interval in words, "1.20 [0.90, 1.50]"."""
    mean, low, high = (format(value, digits) for value in (found["mean"], *found["ci95"]))
    return f"{mean} [{low}, {high}]"


def standard_error(values: ArrayLike) -> float:
    """Standard deviation (n - 1) over the root of n: the "±" of the paper's tables.

    Over the mixtures alone: seeds are averaged first.
    """
    means = _clean(values).mean(axis=0)
    return float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 0.0


def bootstrap_interval(
    values: ArrayLike, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (Efron, 1979), 10,000 draws.

    Each draw takes as many mixtures as there are, and as many seeds, both with replacement and one
    independent of the other (the "pigeonhole" bootstrap of Owen, 2007); one seed is always itself.

    Three seeds are few. The draw of one of them three times has 1 chance in 27, more than the 2.5 %
    of a tail: what seeds add to an interval is the range of their three means and no more. By
    itself that holds the mean of all possible seeds in 75 % of experiments, not in 95 %. Read the
    interval as a lower bound of the doubt; only more seeds make it honest.
    """
    return _interval(_resampled_means(_clean(values), seed), level)


@dataclass(frozen=True)
class PairedDifference:
    """System a minus system b on the same mixtures: the mean, its 95 % interval (low, high), and
    the share of mixtures where a is better.
    """

    mean: float
    ci95: tuple[float, float]
    share_better: float


def paired_bootstrap(a: ArrayLike, b: ArrayLike, seed: int = 0) -> PairedDifference:
    """Mean of a - b with its 95 % interval, and the share of mixtures where a is above b, seeds
    averaged.

    Pairing removes how hard a mixture is, which is most of the spread. Both get the same draws of
    mixtures, and of seeds where they have as many: seed i of both is one pair, as a common start
    makes it. Raises `InputError` for unequal numbers of mixtures.
    """
    ours, base = _clean(a), _clean(b)
    if ours.shape[1] != base.shape[1]:
        problem = f"has {ours.shape[1]} and {base.shape[1]} values"
        fail("paired bootstrap", problem, "score the same mixtures")
    low, high = _interval(_resampled_means(ours, seed) - _resampled_means(base, seed), 0.95)
    better = ours.mean(axis=0) > base.mean(axis=0)
    return PairedDifference(float(ours.mean() - base.mean()), (low, high), float(better.mean()))


def macro_average(values: ArrayLike, categories: ArrayLike) -> float:
    """Mean within each category, then mean over categories (Appendix C).

    >>> macro_average([1.0, 3.0, 10.0], ["a", "a", "b"])
    6.0
    """
    means, names = _clean(values).mean(axis=0), np.asarray(categories)
    if len(means) != len(names):
        fail("macro average", f"has {len(means)} values, {len(names)} categories", "pair them")
    return float(np.mean([means[names == name].mean() for name in np.unique(names)]))


def _interval(means: np.ndarray, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _resampled_means(values: np.ndarray, seed: int) -> np.ndarray:
    """(seeds, mixtures) -> (DRAWS,). The draws depend on the two numbers and on `seed` alone."""
    seeds, mixtures = values.shape
    by_seed = _shares(mixtures, seed) @ values.T
    return (by_seed * _shares(seeds, seed + 1)).sum(axis=1)


@lru_cache(maxsize=6)
def _shares(n: int, seed: int) -> np.ndarray:
    """(DRAWS, n): of n items drawn with replacement, the share that each one has."""
    rng = np.random.default_rng(seed)
    picks = np.concatenate([rng.integers(n, size=(1_000, n)) for _ in range(DRAWS // 1_000)])
    flat = picks + n * np.arange(DRAWS)[:, None]
    return np.bincount(flat.ravel(), minlength=DRAWS * n).reshape(DRAWS, n) / n


def _clean(values: ArrayLike) -> np.ndarray:
    """(seeds, mixtures), float64."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        fail("values", f"have shape {array.shape}", "give (mixtures,) or (seeds, mixtures)")
    if not np.isfinite(array).all():
        fail("values", "hold NaN or infinities", "skip those mixtures and report their count")
    return np.atleast_2d(array)
