"""The SoundFont player against banks written by hand and numbers from the specification."""

import struct

import numpy as np
import pytest

from mars_lib.check import InputError
from mars_lib.data.synthesis.sampler import Sampler
from tests.data.soundfont_bank import RATE, tone, write_bank

LOOPED = {54: 1}


@pytest.fixture
def bank(tmp_path):
    def make(*zones, samples=None, **more):
        return Sampler(write_bank(tmp_path / "bank.sf2", samples or [tone()], zones, **more))

    return make


def hertz(wave):
    """Frequency of the strongest partial, from the phase's advance: exact to well below a cent."""
    part = wave[2_000:14_000].astype(np.float64) * np.hanning(12_000)
    peak = np.abs(np.fft.rfft(part)).argmax()
    time = np.arange(12_000)
    first, second = (
        np.sum(
            wave[2_000 + k : 14_000 + k]
            * np.hanning(12_000)
            * np.exp(-2j * np.pi * peak * time / 12_000)
        )
        for k in (0, 8)
    )
    advance = np.angle(second / first * np.exp(-2j * np.pi * peak * 8 / 12_000)) / 8
    return (peak / 12_000 + advance / (2 * np.pi)) * 16_000


def cents(wave, expected):
    return abs(1200 * np.log2(hertz(wave) / expected))


def play(bank, key=69, velocity=127, duration=2.0, seconds=1.0):
    return bank.play(0, [(0.0, duration, key, velocity)], seconds)


@pytest.mark.parametrize("key", [45, 57, 64, 69, 76, 88])
def test_every_key_has_its_pitch(bank, key):
    assert cents(play(bank(LOOPED), key), 440 * 2 ** ((key - 69) / 12)) < 0.5


@pytest.mark.parametrize(
    "zone, header, preset, semitones",
    [
        ({58: 57}, {}, {}, 12),  # the zone's root key, an octave below the header's
        ({}, {"root": 57}, {}, 12),
        ({51: -5, 52: 30}, {}, {}, -4.7),
        ({51: -17}, {}, {51: -2}, -19),  # a preset adds to its instruments
        ({}, {"cents": 25}, {52: -50}, -0.25),
    ],
)
def test_roots_and_tuning(bank, zone, header, preset, semitones):
    wave = play(bank(LOOPED | zone, preset=preset, **header))
    assert cents(wave, 440 * 2 ** (semitones / 12)) < 0.5


def test_scale_tuning_narrows_the_keyboard(bank):
    assert cents(play(bank(LOOPED | {56: 50}), key=81), 440 * 2 ** (6 / 12)) < 0.5


def test_a_loop_goes_on_without_a_seam(bank):
    # 44 whole periods between the loop's points, 0.1 seconds into the sample.
    zone = LOOPED | {2: 4_410, 3: 2 * 32_768 - (RATE - 8_820), 50: -2}
    wave = play(bank(zone), seconds=3.0, duration=5.0)
    assert cents(wave[-16_000:], 440) < 0.5
    rest = np.abs(np.fft.rfft(wave[-16_000:] * np.hanning(16_000)))
    far = np.abs(np.arange(len(rest)) - 440) > 8
    assert 20 * np.log10(rest[far].max() / rest.max()) < -60
    assert (
        len(np.trim_zeros(play(bank({}), seconds=3.0, duration=5.0), "b")) <= 16_100
    )  # unlooped, it ends with its sample


@pytest.mark.parametrize(
    "hertz_of_sample, key, decibels", [(12_000.0, 69, -40), (9_000.0, 76, -40), (5_000.0, 81, -20)]
)
def test_what_lies_above_the_band_is_silent_and_hardly_aliases(
    bank, hertz_of_sample, key, decibels
):
    # The last is the worst there is: at the edge of what is kept, straight lines between samples
    # leave an image 21 dB down.
    wave = play(bank(LOOPED, samples=[tone(hertz_of_sample)]), key)
    assert 20 * np.log10(level(wave, 0.5) / 0.5) < decibels


def test_levels_attenuation_and_velocity(bank):
    full = np.abs(play(bank(LOOPED))).max()
    assert full == pytest.approx(0.5, rel=0.02)
    assert np.abs(play(bank(LOOPED), velocity=64)).max() == pytest.approx(
        full * (64 / 127) ** 2, rel=0.01
    )
    # 100 centibels, of which players take four tenths: 4 dB.
    assert np.abs(play(bank(LOOPED | {48: 100}))).max() == pytest.approx(
        full * 10 ** (-4 / 20), rel=0.01
    )


def level(wave, at):
    """RMS within 12 ms of a time in seconds, as that of a full sine would be 1 / sqrt(2)."""
    k = int(at * 16_000)
    return np.sqrt(2 * np.mean(wave[k - 100 : k + 100].astype(np.float64) ** 2))


def test_the_volume_envelope(bank):
    # Attack of 1/4 s, hold of 1/4 s, then 100 dB a second down to 20 dB below the peak.
    zone = LOOPED | {34: -2_400, 35: -2_400, 36: 0, 37: 200, 38: 0}
    wave = play(bank(zone), duration=1.0, seconds=2.0)
    for time, decibels in (
        (0.125, -6.02),
        (0.4, 0),
        (0.6, -10),
        (0.9, -20),
        (1.1, -30),
        (1.3, -50),
    ):
        assert 20 * np.log10(level(wave, time) / 0.5) == pytest.approx(decibels, abs=0.3)
    assert not wave[-1_000:].any()


def test_hold_and_decay_follow_the_key(bank):
    zone = LOOPED | {36: 0, 37: 1_000, 40: 100}  # decay halves with every octave up
    for key, rate in ((60, 100), (72, 200)):
        wave = play(bank(zone), key=key)
        assert 20 * np.log10(level(wave, 0.1) / level(wave, 0.2)) == pytest.approx(
            rate / 10, abs=0.3
        )


def test_the_filter_closes_with_the_modulation_envelope(bank):
    open_to_440 = {8: 6_900, 11: 6_000}  # 440 Hz at rest, 14 kHz at first
    bright, dull = (play(bank(LOOPED | zone), key=105) for zone in (open_to_440, {8: 6_900}))
    assert level(dull, 0.5) < 0.05 * level(
        bright, 0.5
    )  # 3.5 kHz is three octaves above a cutoff of 440 Hz
    closing = play(
        bank(LOOPED | open_to_440 | {28: -1_200, 29: 1_000}), key=105
    )  # closed after half a second
    assert level(closing, 0.1) > 0.5 * level(bright, 0.1)
    assert level(closing, 0.8) == pytest.approx(level(dull, 0.8), rel=0.05)


def test_zones_answer_to_their_keys_and_velocities(bank):
    low, high = {43: 0 | 68 << 8}, {43: 69 | 127 << 8, 44: 0 | 100 << 8, 58: 57}
    two = bank(LOOPED | low, LOOPED | high)
    assert cents(play(two, 57), 220) < 0.5
    assert cents(play(two, 69, velocity=90), 880) < 0.5
    assert not play(two, 69, velocity=120).any()
    assert len(two.zones(0)) == 2 and two.zones(1) == [] and two.zones(0, drums=True) == []
    assert (
        len(bank(LOOPED | low, preset={43: 69 | 127 << 8}).zones(0)) == 0
    )  # ranges without a common key


def test_what_was_played_before_does_not_matter(tmp_path):
    zones = [LOOPED | {43: 0 | 63 << 8}, LOOPED | {43: 64 | 127 << 8, 52: 40, 48: 60}]
    path = write_bank(tmp_path / "bank.sf2", [tone()], zones)
    notes = [(0.0, 0.3, 60, 100), (0.2, 0.5, 64, 90)]
    fresh, used = Sampler(path), Sampler(path)
    for key in (72, 64, 48, 60):
        play(used, key)
    assert np.array_equal(fresh.play(0, notes, 1.0), used.play(0, notes, 1.0))


def test_length_is_what_was_asked_for(bank):
    one = bank(LOOPED)
    for seconds in (0.1, 1.0, 2.34567):
        wave = one.play(0, [(0.05, 9.0, 69, 100), (50.0, 1.0, 69, 100)], seconds)
        assert wave.shape == (round(seconds * 16_000),) and wave.dtype == np.float32
    assert not one.play(0, [], 1.0).any()


@pytest.mark.parametrize(
    "zone, key",
    [
        ({51: 32_767}, 69),
        ({56: 32_767}, 127),
        ({51: -32_768}, 69),
        ({39: 32_767}, 0),
        ({39: 32_767, 40: -32_768}, 127),
    ],
)
def test_generators_out_of_range_do_no_harm(bank, zone, key):
    assert np.isfinite(play(bank(LOOPED | zone), key, seconds=0.1)).all()


def test_samples_of_no_rate_are_silent(tmp_path):
    whole = write_bank(tmp_path / "bank.sf2", [tone()], [LOOPED]).read_bytes()
    header = whole.index(b"tone" + bytes(16)) + 36
    assert whole[header : header + 4] == struct.pack("<I", RATE)
    for rate in (0, 2**32 - 1):
        (tmp_path / "bank.sf2").write_bytes(
            whole[:header] + struct.pack("<I", rate) + whole[header + 4 :]
        )
        assert not play(Sampler(tmp_path / "bank.sf2")).any()


def test_lists_in_lists_are_refused(tmp_path):
    body = b"sfbk"
    for _ in range(5_000):
        body = body[:4] + b"LIST" + struct.pack("<I", len(body)) + b"more" + body[4:]
    (tmp_path / "nested.sf2").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(InputError, match="is a damaged soundfont"):
        Sampler(tmp_path / "nested.sf2")


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        Sampler(tmp_path / "none.sf2")
    for content in (b"", b"no soundfont at all"):
        (tmp_path / "text.sf2").write_bytes(content)
        with pytest.raises(InputError, match="is no soundfont"):
            Sampler(tmp_path / "text.sf2")
    whole = write_bank(tmp_path / "whole.sf2", [tone()], [LOOPED]).read_bytes()
    for cut in (13, 200, len(whole) // 2, len(whole) - 300, len(whole) - 20):
        (tmp_path / "cut.sf2").write_bytes(whole[:cut])
        with pytest.raises(InputError, match="is a damaged soundfont"):
            Sampler(tmp_path / "cut.sf2")
