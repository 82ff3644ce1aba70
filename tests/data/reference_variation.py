"""What recordings do to a sound: tuning, vibrato, equaliser, room, saturation, codec, noise."""

import numpy as np
from scipy.signal import resample_poly

RATE = 16_000


def vary(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One random recording chain for a clip: (L,) -> (L,) float32, at about the same level.

    Each step is taken with its own probability, so that clean clips and single effects occur too.
    """
    level = np.sqrt(np.mean(wave**2)) + 1e-9
    if rng.random() < 0.8:
        wave = _detune(wave, rng)
    wave = _colour(wave, rng)
    if rng.random() < 0.25:
        drive = rng.uniform(1, 6) / (np.abs(wave).max() + 1e-9)
        wave = np.tanh(drive * wave) / drive
    if rng.random() < 0.15:
        wave = _telephone(wave, rng)
    wave = wave * (level / (np.sqrt(np.mean(wave**2)) + 1e-9))
    if rng.random() < 0.5:
        wave = wave + level * 10 ** (rng.uniform(-60, -25) / 20) * _noise(len(wave), rng)
    return wave.astype(np.float32)


def _detune(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Read the clip at a slightly wrong and wavering speed.

    Up to 60 cents of tuning, 25 of vibrato.
    """
    cents = rng.normal(0, 25) * np.ones(len(wave))
    if rng.random() < 0.5:
        time = np.arange(len(wave)) / RATE
        onset = np.clip((time - rng.uniform(0, 0.5)) * 4, 0, 1)
        swing = rng.uniform(3, 25) * np.sin(
            2 * np.pi * rng.uniform(4, 7) * time + rng.uniform(0, 6)
        )
        cents = cents + swing * onset
    speed = 2 ** (np.clip(cents, -85, 85) / 1200)
    position = np.cumsum(speed) - speed[0]
    # Faster than the clip lasts: read on from the start rather than from silence.
    return np.interp(position, np.arange(len(wave)), wave, period=len(wave))


def _colour(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Equaliser, room and microphone band in one multiplication in the frequency domain."""
    n = 2 ** int(np.ceil(np.log2(len(wave) + RATE // 2)))
    frequency = np.fft.rfftfreq(n, 1 / RATE)
    gain = np.ones(len(frequency), dtype=complex)
    octave = np.log2(np.maximum(frequency, 20) / 20)
    if rng.random() < 0.8:
        knots = np.linspace(0, octave[-1], int(rng.integers(4, 9)))
        gain *= 10 ** (np.interp(octave, knots, rng.normal(0, rng.uniform(1, 7), len(knots))) / 20)
    if rng.random() < 0.3:
        cut = rng.uniform(60, 300)
        gain *= 1 / (1 + (cut / np.maximum(frequency, 1)) ** 4)
    if rng.random() < 0.3:
        cut = np.exp(rng.uniform(np.log(2500), np.log(7500)))
        gain *= 1 / (1 + (frequency / cut) ** 8)
    if rng.random() < 0.5:
        gain *= np.fft.rfft(_room(rng), n)
    return np.fft.irfft(np.fft.rfft(wave, n) * gain, n)[: len(wave)]


def _room(rng: np.random.Generator) -> np.ndarray:
    """A room's impulse response: direct sound, then noise that dies away within 0.08 to 0.45 s."""
    decay = np.exp(rng.uniform(np.log(0.08), np.log(0.45)))
    time = np.arange(int(decay * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay)
    tail[: int(rng.uniform(0.001, 0.02) * RATE)] = 0
    tail *= 10 ** (rng.uniform(-18, 2) / 20) / (np.sqrt(np.sum(tail**2)) + 1e-9)
    tail[0] = 1.0
    return tail


def _telephone(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lossy channel: half or two thirds of the rate, or 8-bit companded samples."""
    if rng.random() < 0.5:
        up, down = ((1, 2), (2, 3))[rng.integers(2)]
        return resample_poly(resample_poly(wave, up, down), down, up)[: len(wave)]
    peak = np.abs(wave).max() + 1e-9
    companded = np.sign(wave) * np.log1p(255 * np.abs(wave) / peak) / np.log(256)
    rounded = np.round(companded * 127) / 127
    return np.sign(rounded) * (256 ** np.abs(rounded) - 1) / 255 * peak


def _noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Unit-RMS noise with a spectrum that falls by 0 (white) to 6 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.maximum(np.arange(len(spectrum)), 8) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, length)
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-9)
