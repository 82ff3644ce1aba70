import numpy as np
import pytest
import scipy.stats

from mars_lib.check import InputError
from mars_lib.evaluation import statistics


def test_standard_error_by_hand_and_against_scipy():
    assert statistics.standard_error([1.0, 3.0]) == pytest.approx(1.0)
    values = np.random.default_rng(0).normal(size=50)
    assert statistics.standard_error(values) == pytest.approx(scipy.stats.sem(values))


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(1).exponential(size=200)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=10_000, rng=0
    ).confidence_interval
    assert statistics.bootstrap_interval(values) == pytest.approx(tuple(theirs), abs=0.01)


def test_intervals_cover_the_truth_about_95_times_of_100():
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        low, high = statistics.bootstrap_interval(rng.normal(3.0, 2.0, size=60), seed=trial)
        covered += low <= 3.0 <= high
    assert 0.90 <= covered / 200 <= 0.985


def test_pairing_finds_what_spread_hides():
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 10, size=100)
    a, b = hard + 0.5 + rng.normal(0, 0.5, size=100), hard
    found = statistics.paired_bootstrap(a, b)
    assert found.ci95[0] > 0 and found.mean == pytest.approx(0.5, abs=0.2)
    assert found.share_better == pytest.approx((a > b).mean())
    alone = statistics.bootstrap_interval(a), statistics.bootstrap_interval(b)
    assert alone[0][0] < alone[1][1]


def test_summary_has_what_the_json_needs():
    result = statistics.summary([1.0, 2.0, 3.0])
    assert result["mean"] == 2.0 and result["ci95"][0] <= 2.0 <= result["ci95"][1]
    assert set(result) == {"mean", "sem", "ci95"}


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0]], [float("inf")]])
def test_values_that_have_no_mean(values):
    with pytest.raises(InputError, match="values"):
        statistics.summary(values)


def test_unequal_lengths():
    with pytest.raises(InputError, match="same mixtures"):
        statistics.paired_bootstrap([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="macro"):
        statistics.macro_average([1.0], ["a", "b"])
