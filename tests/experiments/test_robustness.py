"""The conditions of the robustness curves are what their names say."""

import numpy as np
import pytest
import torch

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.experiments import compared_systems, robustness
from mars_lib.inference.pretrained import load_encoder
from mars_lib.separator import Separator
from mars_lib.training.method import OMNISEP

ROWS = list(robustness.sources("unseen", 2, 4))
MADE = robustness.conditions()


def made(curve, place, row=0):
    return MADE[curve][place](ROWS[row], np.random.default_rng(0))


def decibels(a, b):
    return (10 * torch.log10(a.square().mean() / b.square().mean())).item()


def test_sources_are_of_different_classes():
    for names, clips in ROWS:
        assert len(set(names)) == 4 == len(clips)
    # Levels are of where a clip sounds; a clip with rests has less over its whole length.
    assert np.abs(ROWS[0][1]).max() < 2


@pytest.mark.parametrize("level", robustness.LEVELS)
def test_level_is_the_target_s_over_the_other_s(level):
    case, even = made("target's level over the other's, dB", f"{level:+d}"), made("sources", "2")
    other = case.mixture - case.reference
    assert decibels(case.reference, even.reference) == pytest.approx(level, abs=0.01)
    torch.testing.assert_close(other, even.mixture - even.reference, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("count", robustness.SOURCES)
def test_mixtures_hold_so_many_sources(count):
    case = made("sources", str(count))
    expected = ROWS[0][1][:count].sum(axis=0) / count
    torch.testing.assert_close(case.mixture, torch.from_numpy(expected), atol=1e-6, rtol=1e-4)
    assert case.words == ROWS[0][0][0]


@pytest.mark.parametrize("level", robustness.NOISES)
def test_noise_lies_so_far_below_the_mixture(level):
    noisy, clean = made("mixture over white noise, dB", str(level)), made("sources", "2")
    assert decibels(clean.mixture, noisy.mixture - clean.mixture) == pytest.approx(level, abs=0.2)
    torch.testing.assert_close(noisy.reference, clean.reference)


@pytest.mark.parametrize("seconds", robustness.ROOMS)
def test_a_room_dies_away_by_60_db(seconds):
    pulse = np.zeros(2 * robustness.RATE, dtype=np.float32)
    pulse[0] = 1.0
    wave = robustness._reverberated(pulse, seconds, np.random.default_rng(0))
    frames = np.square(wave[1 : int(0.9 * seconds * robustness.RATE)])
    time = np.arange(len(frames)) / robustness.RATE
    early, late = (
        frames[(time > t) & (time < t + 0.1 * seconds)].mean()
        for t in (0.05 * seconds, 0.75 * seconds)
    )
    assert 10 * np.log10(early / late) == pytest.approx(60 * 0.7, abs=3)


def test_a_synonym_is_another_word():
    assert made("asked by", "synonym").words != made("asked by", "name").words == ROWS[0][0][0]


def test_curves_are_means_over_seeds_then_mixtures(monkeypatch):
    torch.manual_seed(0)
    network = Separator(config.smoke()).eval()
    systems = [
        compared_systems.TrainedSystem("omnisep", seed, network, OMNISEP.separate)
        for seed in (0, 1)
    ]
    # An estimate that is the mixture itself gains nothing, and leaks everything.
    same = [compared_systems.TrainedSystem("mixture", 0, network, lambda n, x, q: x[:, None])]
    monkeypatch.setattr(robustness, "LEVELS", (0,))
    found = robustness.curves([*systems, *same], count=2, progress=False)
    assert found["sources"]["2"]["mixture"]["mean"] == pytest.approx(0, abs=1e-6)
    assert found["leak, dB"]["for what is not there"]["mixture"]["mean"] == pytest.approx(
        0, abs=1e-4
    )
    rng = np.random.default_rng(0)
    case = [robustness._case(row, rng) for row in robustness.sources("unseen", 2, 4)]
    query = load_encoder("minibind").embed_text([c.words for c in case])[:, None]
    mixture, reference = (
        torch.stack([getattr(c, f) for c in case]) for f in ("mixture", "reference")
    )
    estimate = OMNISEP.separate(network, mixture, query)[:, 0].detach()
    gain = si_sdr(estimate=estimate, reference=reference) - si_sdr(
        estimate=mixture, reference=reference
    )
    assert found["sources"]["2"]["omnisep"]["mean"] == pytest.approx(gain.mean().item(), abs=1e-3)


def test_what_cannot_be_scored_is_left_out_for_all_and_counted():
    values = {
        ("a", 0): torch.tensor([1.0, torch.nan, 3.0, 150.0]),
        ("b", 0): torch.tensor([0.0, 5.0, 1.0, 2.0]),
    }
    found = robustness._summaries(values)
    assert {name: (row["mean"], row["left_out"]) for name, row in found.items()} == {
        "a": (2, 2),
        "b": (0.5, 2),
    }
    with pytest.raises(InputError, match="no mixture that all systems"):
        robustness._summaries({**values, ("b", 0): torch.full((4,), torch.nan)})
