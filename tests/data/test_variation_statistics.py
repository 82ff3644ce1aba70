"""Recording chains of a batch, drawn by themselves, against those of the reference."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, ks_2samp, kstest, norm, uniform

from mars_lib.data import mini_music, variation
from mars_lib.data.variation import COMPANDED, HALF_RATE, PLAIN, RATE, Chains, vary
from tests.data import reference_variation
from tests.data.variation_cases import CPU, LENGTH, chains, notes, reference, single

DRAWN = Chains.draw(np.random.default_rng(1), 20_000)
DETUNED, WAVERING, EQUALISED = DRAWN.cents != 0, DRAWN.vibrato_cents > 0, DRAWN.equaliser[:, 0] != 0
CODED, COMPANDING = DRAWN.codec != PLAIN, DRAWN.codec == COMPANDED
HIGH_CUT, NOISY = np.isfinite(DRAWN.high_cut), np.isfinite(DRAWN.noise)


@pytest.fixture(scope="module")
def asked():
    """What the reference asks a generator for: name -> the probability, or the range."""
    found = reference(notes(300, 2_048), chains(300))[1]
    return {name: said.pop() for name, said in found.items() if len(said) == 1}


def test_effects_are_taken_as_often_as_the_reference_takes_them_and_independently(asked):
    coins = {
        "?detuned": DETUNED,
        "?vibrato": WAVERING[DETUNED],
        "?equaliser": EQUALISED,
        "?low_cut": DRAWN.low_cut > 0,
        "?high_cut": HIGH_CUT,
        "?room": DRAWN.room > 0,
        "?drive": DRAWN.drive > 0,
        "?codec": CODED,
        "?resampled": ~COMPANDING[CODED],
        "?noise": NOISY,
    }
    assert coins.keys() == {name for name in asked if name[0] == "?"}
    for name, heads in coins.items():
        assert binomtest(int(heads.sum()), len(heads), asked[name]).pvalue > 1e-4, name
    whole = np.stack([heads for heads in coins.values() if len(heads) == len(DRAWN)])
    assert np.abs(np.corrcoef(whole) - np.eye(len(whole))).max() < 0.03
    assert not (WAVERING & ~DETUNED).any()


def test_numbers_are_drawn_from_the_reference_s_ranges(asked):
    values = {
        "vibrato_cents": DRAWN.vibrato_cents[WAVERING],
        "vibrato_hertz": DRAWN.vibrato_hertz,
        "vibrato_phase": DRAWN.vibrato_phase,
        "vibrato_delay": DRAWN.vibrato_delay,
        "low_cut": DRAWN.low_cut[DRAWN.low_cut > 0],
        "log high_cut": np.log(DRAWN.high_cut[HIGH_CUT]),
        "log room": np.log(DRAWN.room[DRAWN.room > 0]),
        "room_delay": DRAWN.room_delay,
        "room_level": DRAWN.room_level,
        "drive": DRAWN.drive[DRAWN.drive > 0],
        "noise": DRAWN.noise[NOISY],
        "noise_slope": DRAWN.noise_slope,
    }
    others = {"cents", "equaliser", "spread", "knots", "codec"}
    assert values.keys() | others == {name for name in asked if name[0] != "?"}
    for name, found in values.items():
        low, high = asked[name]
        assert kstest(found, uniform(low, high - low).cdf).pvalue > 1e-4, name
    assert kstest(DRAWN.cents[DETUNED], norm(*asked["cents"]).cdf).pvalue > 1e-4
    # Of all knots of a clip the spread is the same.
    rng = np.random.default_rng(0)
    spread = rng.uniform(*asked["spread"], 10_000)
    expected = np.std(rng.normal(size=(10_000, 8)) * spread[:, None], axis=1)
    assert ks_2samp(np.std(DRAWN.equaliser[EQUALISED], axis=1), expected).pvalue > 1e-4
    assert abs(DRAWN.equaliser[EQUALISED].mean()) < 0.1
    for choices, found in (
        (range(*asked["knots"]), DRAWN.knots),
        (range(*asked["codec"]), DRAWN.codec[CODED & ~COMPANDING] - HALF_RATE),
    ):
        for choice in choices:
            count = int((found == choice).sum())
            assert binomtest(count, len(found), 1 / len(choices)).pvalue > 1e-4


def spectra(waves):
    """Power of (n, L) clips, (n, F), and their frequencies."""
    return np.abs(np.fft.rfft(waves)) ** 2, np.fft.rfftfreq(waves.shape[1], 1 / RATE)


def measures(before, after):
    """Numbers that tell what became of each clip: name -> (n,)."""
    (old, hertz), (new, _) = spectra(before), spectra(after)
    frames = after[:, : after.shape[1] // 512 * 512].reshape(len(after), -1, 512)
    rms = np.sqrt(np.mean(after**2, axis=1))
    product = np.sqrt(np.sum(before**2, axis=1) * np.sum(after**2, axis=1))
    return {
        "RMS": rms,
        "centroid": np.log2((new @ hertz / new.sum(1)) / (old @ hertz / old.sum(1))),
        "above 4 kHz": np.log(new[:, hertz > 4_000].sum(axis=1) / new.sum(axis=1)),
        "below 80 Hz": np.log(new[:, hertz < 80].sum(axis=1) / new.sum(axis=1)),
        "crest": np.abs(after).max(axis=1) / rms,
        "floor": np.log(np.quantile(np.mean(frames**2, axis=2), 0.05, axis=1)),
        "correlation": np.sum(before * after, axis=1) / product,
    }


def varied(waves, seed):
    """The reference's clips and ours, drawn by themselves."""
    rng = np.random.default_rng(seed)
    theirs = [mini_music.level(reference_variation.vary(wave, rng)) for wave in waves.numpy()]
    return np.stack(theirs), vary(waves, chains(len(waves), seed)).numpy()


def test_clips_differ_from_what_they_were_as_the_reference_has_them_differ():
    waves = notes(600, 8_000, seed=1)
    theirs, ours = (measures(waves.numpy(), found) for found in varied(waves, 2))
    for name in theirs:
        assert ks_2samp(theirs[name], ours[name]).pvalue > 0.01, name
        # A spread is known to one in twenty.
        low, high = np.quantile(theirs[name], (0.1, 0.9))
        assert abs(ours[name].mean() - theirs[name].mean()) < 0.1 * (high - low), name
        assert 0.8 < np.diff(np.quantile(ours[name], (0.1, 0.9))) / (high - low) < 1.25, name


def cents(sines, hertz):
    """By how much (n, L) sines are higher than `hertz`, in cents."""
    time = np.arange(sines.shape[1]) / RATE
    # At 0 Hz where they were; filtered by averages of 40 ms.
    slow = np.hanning(640)
    base = np.stack(
        [np.convolve(x, slow, "valid") for x in sines * np.exp(-2j * np.pi * hertz * time)]
    )
    phase = np.unwrap(np.angle(base))
    turns = np.polyfit(np.arange(phase.shape[1]) / RATE, phase.T, 1)[0] / (2 * np.pi)
    return 1200 * np.log2(1 + turns / hertz)


def sines(count, hertz=1_000, length=LENGTH):
    wave = np.sqrt(2) / 10 * np.sin(2 * np.pi * hertz * np.arange(length) / RATE)
    return torch.from_numpy(np.tile(np.float32(wave), (count, 1)))


def test_pitch_is_shifted_by_the_chain_s_cents_and_as_widely_as_the_reference_shifts_it():
    asked = np.linspace(-80, 80, 21)
    found = cents(vary(sines(21), single(21, cents=asked)).numpy(), 1_000)
    np.testing.assert_allclose(found, asked, atol=0.05)
    theirs, ours = (cents(found, 1_000) for found in varied(sines(300, length=8_000), 3))
    assert ks_2samp(theirs, ours).pvalue > 0.01
    assert 0.85 < ours.std() / theirs.std() < 1.15


def test_noise_has_the_reference_s_spectrum_and_distribution():
    waves, drawn = sines(200, length=8_191), single(200, noise=0, noise_slope=1)
    ours = (variation._add_noise(waves, drawn) - waves).numpy() / 0.1

    class Steepest(np.random.Generator):
        def uniform(self, low, high):
            return high

    rng = Steepest(np.random.PCG64(0))
    theirs = np.stack([reference_variation._noise(8_191, rng) for _ in range(200)])
    np.testing.assert_allclose(np.mean(ours**2, axis=1), 1, rtol=1e-3)
    flat = np.maximum(np.arange(4_096), 8) ** 2.0
    ours, theirs = (spectra(noise)[0] * flat for noise in (ours, theirs))
    ours, theirs = (power / power[:, 64:].mean(axis=1)[:, None] for power in (ours, theirs))
    for low, high in ((0, 1), (1, 8), *((2**i, 2 ** (i + 1)) for i in range(3, 12))):
        ratio = ours[:, low:high].mean() / theirs[:, low:high].mean()
        # Means of 200 (high - low) powers, each spread as widely as its mean, or more at 0 Hz.
        assert abs(np.log(ratio)) < 4 * np.sqrt(2 * 2 / (200 * (high - low))), low
    white = variation._add_noise(waves, single(200, noise=0, noise_slope=0)) - waves
    assert kstest(white.flatten()[::97].numpy() / 0.1, norm.cdf).pvalue > 1e-4


def test_numbers_of_a_row_are_its_seed_s():
    seeds = np.array([3, 4, 3, 2**63 - 1])
    numbers = variation._normal(seeds, np.array([40_000, 40_000, 100, 40_000]), CPU)
    assert torch.equal(numbers[0, :80], numbers[2, :80]) and not numbers[2, 100:].any()
    assert kstest(numbers[0].numpy(), norm.cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(numbers[[0, 1, 3]]) - np.eye(3)).max() < 0.03
    # A row's room and its noise are of different numbers.
    drawn = chains(1, seed=0)
    tail, noise = (variation._normal(drawn.seed + i, np.array([7_000]), CPU)[0] for i in (0, 1))
    assert abs(np.corrcoef(tail, noise)[0, 1]) < 0.06
