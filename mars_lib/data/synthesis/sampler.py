"""A SoundFont 2 player: exact in pitch, and equal bit for bit every time.

Of the format's modulators it knows velocity to attenuation; low-frequency oscillators, resonance,
panning and effects are passed over.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

from mars_lib.data.synthesis import sf2
from mars_lib.data.synthesis.sf2 import DRUMS, Zone

FLOOR = 70.0  # dB below its peak where a note has died away
FARTHEST = 12  # octaves: the whole keyboard and more; a damaged bank asks for thousands
RAMP = 32  # envelopes are computed at every 32nd sample, and are straight lines between


class Sampler:
    """A soundfont on disk, whose samples are read when they are first played.

    Raises `InputError` for a path that is no SoundFont 2 bank, or a damaged one.
    """

    def __init__(self, path: str | Path):
        self._samples, self._zones = sf2.read(path)
        self._level = lru_cache(maxsize=400)(self._read)

    def zones(self, program: int, drums: bool = False) -> list[Zone]:
        """The zones of a General MIDI program (0 to 127), or of the standard drum kit; none where
        the bank has none.
        """
        return self._zones.get((DRUMS, 0) if drums else (0, program), [])

    def play(
        self,
        program: int,
        notes: list,
        seconds: float,
        sample_rate: int = 16_000,
        drums: bool = False,
    ) -> np.ndarray:
        """Notes (start and duration in seconds, MIDI pitch, velocity 1 to 127) as (seconds *
        sample_rate,) float32.

        Stereo samples are summed. Level 1 is a full-scale sample at velocity 127; chords may exceed
        it.
        """
        rate = (
            2 * sample_rate
        )  # what lies above the output's band is there to be filtered away, and cannot alias
        wave = np.zeros(int(round(seconds * rate)) + 2 * RAMP, dtype=np.float32)
        for start, duration, key, velocity in notes:
            at = int(round(start * rate))
            for zone in self.zones(program, drums):
                inside = zone.keys[0] <= key <= zone.keys[1]
                if (
                    inside
                    and zone.velocities[0] <= velocity <= zone.velocities[1]
                    and at < len(wave)
                ):
                    sound = self._note(
                        zone, int(key), int(velocity), duration, rate, len(wave) - at
                    )
                    wave[at : at + len(sound)] += sound
        return resample_poly(wave, 1, 2)[: int(round(seconds * sample_rate))]

    def _note(
        self, zone: Zone, key: int, velocity: int, duration: float, rate: int, room: int
    ) -> np.ndarray:
        """One zone of one note, at most `room` samples."""
        hold = zone.hold * 2 ** (zone.key_to_hold * (60 - key) / 1200)
        decay = zone.decay * 2 ** (zone.key_to_decay * (60 - key) / 1200)
        pitch = (zone.scale * (key - zone.root) + zone.cents) / 1200
        if abs(pitch) > FARTHEST:
            return np.zeros(0, dtype=np.float32)
        step = zone.rate / rate * 2**pitch
        octave = max(0, int(np.ceil(np.log2(step) - 1e-6)))
        samples, loop = self._level(zone.start, zone.end, zone.loop, octave)
        step *= 2 / 2**octave
        length = min(room, int((duration + zone.release * FLOOR / 100) * rate) + RAMP)
        if loop is None:
            length = min(length, int((len(samples) - 2) / step))
        if length <= 0:
            return np.zeros(0, dtype=np.float32)
        place = np.arange(length) * step
        if loop is not None and place[-1] >= loop[1]:
            turn = int(np.ceil(loop[1] / step))
            place[turn:] = loop[0] + (place[turn:] - loop[0]) % (loop[1] - loop[0])
        left = place.astype(np.int32)
        wave, part = samples[left], (place - left).astype(np.float32)
        wave += part * (samples[left + 1] - wave)
        time = np.arange(0, length + 2 * RAMP, RAMP) / rate
        dull = _lowpass(wave, zone.dull, rate)
        if zone.bright != zone.dull:
            closing = np.clip((time - zone.bright_for) / zone.dull_after, 0, 1)
            bright = _lowpass(wave, zone.bright, rate)
            dull = bright + _ramps(closing, length) * (dull - bright)
        # Section 8.1.2: attack is linear in amplitude; decay and release fall by 100 dB in their
        # time.
        sounding = np.minimum(time, duration)
        rise = np.clip((sounding - zone.delay) / zone.attack, 0, 1)
        fall = np.clip((sounding - zone.delay - zone.attack - hold) * 100 / decay, 0, zone.sustain)
        fall = fall + np.maximum(time - duration, 0) * 100 / zone.release + zone.decibels
        return dull * _ramps(rise * 10 ** (-fall / 20) * (velocity / 127) ** 2, length)

    def _read(self, start: int, end: int, loop: tuple[int, int] | None, octave: int):
        """A sample without its upper `octave` octaves, at twice the rate that this needs, and its
        loop there.

        Read along straight lines it has images 21 dB down at the edge of its band, and 12 dB less
        every octave below.
        """
        wave = self._samples[start:end].astype(np.float32) / 32_768
        if loop is not None:
            # Played on, so that the filter below hears a loop's neighbours, however short it is.
            period = wave[loop[0] : loop[1]]
            turns = -(-4096 // len(period))
            wave = np.concatenate(
                [wave[: loop[1]], np.tile(period, turns + -(-1024 // len(period)))]
            )
            loop = (loop[1], loop[1] + turns * len(period))
        low = resample_poly(wave, 1, 2**octave) if octave else wave
        scale = 2 / 2**octave
        loop = loop and (loop[0] * scale, loop[1] * scale)
        return np.append(resample_poly(low, 2, 1), np.float32([0, 0])).astype(np.float32), loop


def _ramps(points: np.ndarray, length: int) -> np.ndarray:
    """Straight lines between points that lie RAMP samples apart: (length,) float32."""
    points = points.astype(np.float32)
    ramp = np.arange(RAMP, dtype=np.float32) / RAMP
    return (points[:-1, None] + np.diff(points)[:, None] * ramp).ravel()[:length]


def _lowpass(wave: np.ndarray, cutoff: float, rate: int) -> np.ndarray:
    """Two poles; a cutoff near the band's end changes nothing that will be heard."""
    return wave if cutoff > 0.24 * rate else sosfilt(_poles(cutoff, rate), wave).astype(np.float32)


@lru_cache(maxsize=512)
def _poles(cutoff: float, rate: int) -> np.ndarray:
    return butter(2, cutoff, fs=rate, output="sos")
