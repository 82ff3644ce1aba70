"""What phrases read of a bank: nothing else may be needed to play them."""

import numpy as np
import pytest

from mars_lib.data.synthesis import phrases
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.data.synthesis.sampler import Sampler, reach
from mars_lib.data.synthesis.used_samples import used_samples
from tests.data.soundfont_bank import RATE, write_bank

NOISE = np.random.default_rng(0).integers(-9_000, 9_000, 6 * RATE).astype("<i2")
# From sample 40,000 to 60,000, in steps of 32,768 and the rest.
LOOPED = {54: 1, 45: 1, 2: 7_232, 50: -7, 3: 24_776}


@pytest.mark.parametrize("sound", sound_classes(), ids=lambda sound: sound.folder)
def test_a_phrase_keeps_to_its_keys_velocities_and_durations(sound):
    low, high = sound.range
    for seed in range(300):
        keys = sound.drum_keys or (0,)
        for start, duration, key, velocity in phrases.phrase(
            sound, keys, np.random.default_rng(seed), 4.0
        ):
            assert key in sound.drum_keys if sound.drum_keys else low <= key <= high
            assert phrases.SOFTEST <= velocity <= phrases.LOUDEST and start >= 0
            assert duration <= phrases.LONGEST or sound.style == "effect"


def without(bank, kept):
    """The bank with zeros outside some stretches."""
    left = np.zeros_like(bank.samples)
    for start, end in kept:
        left[start:end] = bank.samples[start:end]
    bank.samples = left
    return bank


@pytest.mark.parametrize("sample_rate", [1_000, 8_000, 16_000, 44_100])
@pytest.mark.parametrize("zone", [{}, {38: 500}, LOOPED, LOOPED | {38: 0, 52: 40}])
def test_a_note_reads_no_farther_than_its_reach(tmp_path, zone, sample_rate):
    path = write_bank(tmp_path / "bank.sf2", [NOISE], [zone], root=60)
    (only,) = Sampler(path).zones(0)
    lengths = set()
    for key in (36, 47, 60, 73, 96):
        for duration in (0.05, 0.5, 2.0):
            end = reach(only, key, duration)
            lengths.add(end)
            notes = [(0.0, duration, key, 100)]
            whole, cut = (
                bank.play(0, notes, 6.0, sample_rate)
                for bank in (Sampler(path), without(Sampler(path), [(0, end)]))
            )
            assert np.array_equal(whole, cut)
            # Not much less would do where it was the note that ended.
            if end < only.end and only.loop is None and duration >= 0.5:
                less = without(Sampler(path), [(0, int(0.7 * end))])
                assert not np.array_equal(whole, less.play(0, notes, 6.0, sample_rate))
    assert len(lengths) > 3 and max(lengths) <= (60_000 if only.loop else len(NOISE))


def test_what_no_class_plays_is_left_out(tmp_path):
    halves = NOISE[:RATE], NOISE[RATE:]
    second = len(halves[0]) + 46
    # Sample 1 answers only below the piano's lowest key, then only to velocities that none has.
    for unheard in ({43: 0 | 32 << 8}, {44: 0 | 19 << 8}):
        path = write_bank(tmp_path / "bank.sf2", halves, [{53: 0}, {53: 1, **unheard}], root=60)
        assert used_samples(Sampler(path)) == [(0, RATE)]
    path = write_bank(tmp_path / "bank.sf2", halves, [{53: 0}, {53: 1}], root=60)
    (first, other) = used_samples(Sampler(path))
    assert first == (0, RATE) and other[0] == second
    # Nobody plays program 8.
    path = write_bank(tmp_path / "bank.sf2", halves, [{53: 0}], program=8)
    assert used_samples(Sampler(path)) == []


def test_stretches_that_overlap_are_one(tmp_path):
    zones = [{4: 1}, {}, {0: 1_000}]
    path = write_bank(tmp_path / "bank.sf2", [NOISE[:RATE]], zones, root=60)
    assert used_samples(Sampler(path)) == [(0, RATE)]
