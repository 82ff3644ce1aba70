"""A SoundFont 2 player: exact in pitch, and equal bit for bit every time.

Of the format's modulators it knows velocity to attenuation; low-frequency oscillators, resonance,
panning and effects are passed over.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

from mars_lib.data.synthesis import gus_patches, sf2
from mars_lib.data.synthesis.phrases import Notes
from mars_lib.data.synthesis.zones import Filter, Loop, Zone

FLOOR = 70.0  # dB below its peak where a note has died away
FARTHEST = 12  # octaves: the whole keyboard and more; a damaged bank asks for thousands
MARGIN = 0.05  # seconds that ramps and filters read on past a note, at the lowest output rates
RAMP = 32  # envelopes are computed at every 32nd sample, and are straight lines between


class Sampler:
    """A soundfont on disk, whose samples are read when they are first played.

    Attributes:
        samples: all of the bank, int16, not in memory yet.

    Raises:
        InputError: for a path that is neither a SoundFont 2 bank nor a folder of Gravis Ultrasound
            patches, or a damaged one.
    """

    def __init__(self, path: str | Path):
        read = gus_patches.read if Path(path).is_dir() else sf2.read
        self.samples, self._zones = read(path)
        self._level = lru_cache(maxsize=400)(self._read)

    def zones(self, program: int, drums: bool = False) -> list[Zone]:
        """The zones of a General MIDI program, or of the standard drum kit; empty for none.

        Programs are counted from 0 to 127.
        """
        return self._zones.get((sf2.DRUMS, 0) if drums else (0, program), [])

    def play(
        self,
        program: int,
        notes: Notes,
        seconds: float,
        sample_rate: int = 16_000,
        drums: bool = False,
    ) -> np.ndarray:
        """Notes with one program, stereo samples summed.

        Returns:
            (seconds * sample_rate,) float32. Level 1 is a full-scale sample at velocity 127; chords
            may exceed it.
        """
        # What lies above the output's band is there to be filtered away, and cannot alias.
        rate = 2 * sample_rate
        wave = np.zeros(round(seconds * rate) + 2 * RAMP, dtype=np.float32)
        for start, duration, key, velocity in notes:
            at = round(start * rate)
            if at >= len(wave):
                continue
            for zone in self.zones(program, drums):
                if zone.keys.holds(key) and zone.velocities.holds(velocity):
                    room = len(wave) - at
                    sound = self._note(zone, int(key), int(velocity), duration, rate, room)
                    wave[at : at + len(sound)] += sound
        return resample_poly(wave, 1, 2)[: round(seconds * sample_rate)]

    def _note(
        self, zone: Zone, key: int, velocity: int, duration: float, rate: int, room: int
    ) -> np.ndarray:
        """One zone of one note, at most `room` samples: float32."""
        pitch = _octaves(zone, key)
        if abs(pitch) > FARTHEST:
            return np.zeros(0, dtype=np.float32)
        step = zone.rate / rate * 2**pitch
        octave = max(0, int(np.ceil(np.log2(step) - 1e-6)))
        samples, loop = self._level(zone.start, zone.end, zone.loop, octave)
        step *= 2 / 2**octave
        length = min(room, int((duration + zone.envelope.release * FLOOR / 100) * rate) + RAMP)
        if loop is None:
            length = min(length, int((len(samples) - 2) / step))
        if length <= 0:
            return np.zeros(0, dtype=np.float32)
        wave = _read_along(samples, loop, step, length)
        time = np.arange(0, length + 2 * RAMP, RAMP) / rate
        filtered = _filter(wave, zone.filter, time, rate)
        gain = _gain(zone, key, duration, time) * (velocity / 127) ** 2
        return filtered * _ramps(gain, length)

    def _read(
        self, start: int, end: int, loop: Loop | None, octave: int
    ) -> tuple[np.ndarray, tuple[float, float] | None]:
        """A sample without its upper `octave` octaves, at twice the rate that this needs.

        Read along straight lines it has images 21 dB down at the edge of its band, and 12 dB less
        every octave below.

        Returns:
            The samples, float32, and the start and end of their loop, which may lie between two.
        """
        wave = self.samples[start:end].astype(np.float32) / 32_768
        if loop is not None:
            # Played on, so that the filter below sees a loop's neighbours, however short it is.
            period = wave[loop.start : loop.end]
            turns = -(-4096 // len(period))
            rest = -(-1024 // len(period))
            wave = np.concatenate([wave[: loop.end], np.tile(period, turns + rest)])
            loop = Loop(loop.end, loop.end + turns * len(period))
        low = resample_poly(wave, 1, 2**octave) if octave else wave
        scale = 2 / 2**octave
        turn = None if loop is None else (loop.start * scale, loop.end * scale)
        padded = np.append(resample_poly(low, 2, 1), np.zeros(2, np.float32))
        return padded.astype(np.float32), turn


def reach(zone: Zone, key: int, duration: float) -> int:
    """How many samples of a zone, from its first, a note can read.

    Args:
        zone: what answers to the note.
        key: its MIDI pitch.
        duration: seconds for which it is held at most; infinity for any time.
    """
    pitch = _octaves(zone, key)
    if abs(pitch) > FARTHEST:
        return 0
    seconds = duration + zone.envelope.release * FLOOR / 100 + MARGIN
    last = zone.end - zone.start if zone.loop is None else zone.loop.end
    return int(min(last, seconds * zone.rate * 2**pitch + 64))


def _octaves(zone: Zone, key: int) -> float:
    """How far above its own pitch a zone's sample is played on a key."""
    return (zone.scale * (key - zone.root) + zone.cents) / 1200


def _read_along(
    samples: np.ndarray, loop: tuple[float, float] | None, step: float, length: int
) -> np.ndarray:
    """`length` values at every `step` samples, along straight lines, round and round a loop."""
    place = np.arange(length) * step
    if loop is not None and place[-1] >= loop[1]:
        turn = int(np.ceil(loop[1] / step))
        place[turn:] = loop[0] + (place[turn:] - loop[0]) % (loop[1] - loop[0])
    left = place.astype(np.int32)
    wave, part = samples[left], (place - left).astype(np.float32)
    wave += part * (samples[left + 1] - wave)
    return wave


def _filter(wave: np.ndarray, lowpass: Filter, time: np.ndarray, rate: int) -> np.ndarray:
    """A note through its zone's lowpass filter, blended from the bright cutoff to the dull one."""
    dull = _lowpass(wave, lowpass.dull, rate)
    if lowpass.bright == lowpass.dull:
        return dull
    closing = np.clip((time - lowpass.hold) / lowpass.decay, 0, 1)
    bright = _lowpass(wave, lowpass.bright, rate)
    return bright + _ramps(closing, len(wave)) * (dull - bright)


def _gain(zone: Zone, key: int, duration: float, time: np.ndarray) -> np.ndarray:
    """The volume envelope of a key held for `duration` seconds, at the points `time` in seconds.

    Section 8.1.2: attack is linear in amplitude; decay and release fall by 100 dB in their time.
    """
    envelope = zone.envelope
    hold = envelope.hold * 2 ** (envelope.key_to_hold * (60 - key) / 1200)
    decay = envelope.decay * 2 ** (envelope.key_to_decay * (60 - key) / 1200)
    held = np.minimum(time, duration)
    rise = np.clip((held - envelope.delay) / envelope.attack, 0, 1)
    fall = np.clip(
        (held - envelope.delay - envelope.attack - hold) * 100 / decay, 0, envelope.sustain
    )
    fall = fall + np.maximum(time - duration, 0) * 100 / envelope.release + zone.decibels
    return rise * 10 ** (-fall / 20)


def _ramps(points: np.ndarray, length: int) -> np.ndarray:
    """Straight lines between points that lie `RAMP` samples apart: (length,) float32."""
    points = points.astype(np.float32)
    ramp = np.arange(RAMP, dtype=np.float32) / RAMP
    return (points[:-1, None] + np.diff(points)[:, None] * ramp).ravel()[:length]


def _lowpass(wave: np.ndarray, cutoff: float, rate: int) -> np.ndarray:
    """Two poles; a cutoff near the band's end changes nothing that stays audible."""
    return wave if cutoff > 0.24 * rate else sosfilt(_poles(cutoff, rate), wave).astype(np.float32)


@lru_cache(maxsize=512)
def _poles(cutoff: float, rate: int) -> np.ndarray:
    """Second-order sections of a Butterworth lowpass."""
    return butter(2, cutoff, fs=rate, output="sos")
