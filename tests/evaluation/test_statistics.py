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


def test_three_seeds_add_the_range_of_their_means_to_the_interval():
    rng = np.random.default_rng(4)
    mixtures, seeds = rng.normal(size=300), np.array([-1.0, 0.2, 1.5])
    assert statistics.bootstrap_interval(seeds[:, None] + np.zeros(300)) == pytest.approx(
        (-1.0, 1.5)
    )
    alone = np.diff(statistics.bootstrap_interval(mixtures + seeds.mean()))[0]
    both = statistics.bootstrap_interval(mixtures + seeds[:, None])
    assert both[1] - both[0] > 2.3 and alone < 0.3
    # One seed, or seeds that agree: mixtures alone.
    assert statistics.bootstrap_interval(mixtures[None]) == statistics.bootstrap_interval(mixtures)
    assert statistics.bootstrap_interval([mixtures] * 3) == pytest.approx(
        statistics.bootstrap_interval(mixtures)
    )


def test_what_the_docstring_says_of_three_seeds():
    """Three times of four, and not 95 of 100, the mean of all possible seeds lies in the
    interval.
    """
    trials = np.random.default_rng(5).normal(size=(400, 3))
    ends = np.array([statistics.bootstrap_interval(row[:, None]) for row in trials])
    covered = ((ends[:, 0] <= 0) & (0 <= ends[:, 1])).mean()
    assert covered == pytest.approx(0.75, abs=0.07)


def test_intervals_over_seeds_and_mixtures_agree_with_a_plain_loop():
    rng = np.random.default_rng(6)
    values = rng.normal(size=(4, 30)) + rng.normal(size=(4, 1))
    means = [
        values[np.ix_(rng.integers(4, size=4), rng.integers(30, size=30))].mean()
        for _ in range(10_000)
    ]
    assert statistics.bootstrap_interval(values) == pytest.approx(
        tuple(np.quantile(means, [0.025, 0.975])), abs=0.06
    )


def test_systems_are_paired_by_seed_as_well_as_by_mixture():
    rng = np.random.default_rng(7)
    start, hard = 3 * rng.normal(size=(3, 1)), 10 * rng.normal(size=50)
    a, b = start + hard + 0.5 + 0.1 * rng.normal(size=(3, 50)), start + hard
    found = statistics.paired_bootstrap(a, b)
    assert found.mean == pytest.approx(0.5, abs=0.05) and found.ci95[1] - found.ci95[0] < 0.15
    # Against a system without seeds there is nothing to pair them with.
    wide = statistics.paired_bootstrap(a, b[:1])
    assert wide.ci95[1] - wide.ci95[0] > np.ptp(start) * 0.9
    assert found.share_better == pytest.approx((a.mean(axis=0) > b.mean(axis=0)).mean())


def test_standard_errors_and_macro_averages_are_of_means_over_seeds():
    values = [[1.0, 3.0], [3.0, 7.0]]
    assert statistics.standard_error(values) == pytest.approx(1.5)
    assert statistics.summary(values)["mean"] == 3.5 == statistics.macro_average(values, ["a", "b"])


def test_summary_has_what_the_json_needs():
    result = statistics.summary([1.0, 2.0, 3.0])
    assert result["mean"] == 2.0 and result["ci95"][0] <= 2.0 <= result["ci95"][1]
    assert set(result) == {"mean", "sem", "ci95"}


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[[1.0]]], [float("inf")]])
def test_values_that_have_no_mean(values):
    with pytest.raises(InputError, match="values"):
        statistics.summary(values)


def test_unequal_lengths():
    with pytest.raises(InputError, match="same mixtures"):
        statistics.paired_bootstrap([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="macro"):
        statistics.macro_average([1.0], ["a", "b"])
