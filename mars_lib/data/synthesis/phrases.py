"""Random phrases: what a player of each kind of instrument might play in a few seconds."""

import numpy as np

from mars_lib.data.synthesis.classes import SoundClass

# Notes are tuples: (start in seconds, duration in seconds, MIDI pitch, velocity 1 to 127).
Notes = list[tuple[float, float, int, int]]

SOFTEST, LOUDEST = 20, 127  # velocities
LONGEST = 4.0  # seconds for which a note is held at most; effects go on as long as the clip

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 3, 7, 10), (0, 7, 12), (0, 5, 7))


def phrase(
    sound: SoundClass, keys: tuple[int, ...], rng: np.random.Generator, seconds: float
) -> Notes:
    """Notes for about `seconds`, in the style of the class; `keys` are the usable drum keys.

    A phrase of rests is possible, if rare.
    """
    style = sound.style
    if style == "effect":
        return _effect(sound, rng, seconds)
    if style == "kit":
        return _kit(keys, rng, seconds)
    if sound.drum_keys:
        return _hits(keys, rng, seconds, rolls=style == "roll")
    if style == "roll":
        pitches = tuple(rng.integers(*sound.range, size=2))
        return _hits(pitches, rng, seconds, rolls=True)
    if style == "arpeggio" or (style in ("keys", "strum") and rng.random() < 0.25):
        return _arpeggio(sound, rng, seconds)
    if style in ("keys", "strum") and rng.random() < 0.55:
        return _chords(sound, rng, seconds, strum=style == "strum")
    return _line(sound, rng, seconds, fast=style == "mallet")


def _velocity(rng: np.random.Generator, level: float, spread: float = 10.0) -> int:
    """A MIDI velocity around `level`, from `SOFTEST` to `LOUDEST`."""
    return int(np.clip(rng.normal(level, spread), SOFTEST, LOUDEST))


def _line(sound: SoundClass, rng: np.random.Generator, seconds: float, fast: bool) -> Notes:
    """One note after another on a scale, from long tones to quick runs."""
    low, high = sound.range
    scale, root = _SCALES[rng.integers(len(_SCALES))], rng.integers(12)
    steps = [p for p in range(low, high + 1) if (p - root) % 12 in scale]
    at = int(rng.integers(len(steps)))
    beat = rng.uniform(0.1, 0.25) if fast else float(np.exp(rng.uniform(np.log(0.12), np.log(1.2))))
    legato, level = rng.choice([0.4, 0.8, 0.95, 1.1]), rng.uniform(50, 118)
    notes: Notes = []
    time = rng.uniform(0, 0.1)
    while time < seconds:
        length = beat * rng.choice([0.5, 1, 1, 1, 2, 3])
        if rng.random() > 0.08:
            notes.append((time, max(length * legato, 0.06), steps[at], _velocity(rng, level)))
        at = int(np.clip(at + rng.integers(-3, 4) + 5 * (rng.random() < 0.1), 0, len(steps) - 1))
        time += length
    return notes


def _chords(sound: SoundClass, rng: np.random.Generator, seconds: float, strum: bool) -> Notes:
    """Chords, struck together or strummed, sometimes with a melody note on top."""
    low, high = sound.range
    beat, level = rng.uniform(0.25, 1.2), rng.uniform(50, 112)
    spread = rng.uniform(0.005, 0.03) if strum else 0.0
    notes: Notes = []
    time = rng.uniform(0, 0.1)
    while time < seconds:
        root = int(rng.integers(low, max(low + 1, high - 16)))
        chord = _CHORDS[rng.integers(len(_CHORDS))]
        pitches = [root + step for step in chord] + [root + 12] * strum
        for repeat in range(int(rng.integers(1, 4))):
            start = time + repeat * beat
            for order, pitch in enumerate(pitches if rng.random() < 0.7 else pitches[::-1]):
                if pitch <= high:
                    hold = beat * rng.uniform(0.6, 1.1)
                    notes.append((start + order * spread, hold, pitch, _velocity(rng, level)))
        time += beat * (repeat + 1)
    return [n for n in notes if n[0] < seconds]


def _arpeggio(sound: SoundClass, rng: np.random.Generator, seconds: float) -> Notes:
    """Broken chords up and down, ringing on; now and then a run along the whole range."""
    low, high = sound.range
    step, level, ring = rng.uniform(0.06, 0.3), rng.uniform(50, 110), rng.uniform(1.0, 6.0)
    notes: Notes = []
    time = rng.uniform(0, 0.1)
    while time < seconds:
        root, chord = int(rng.integers(low, low + 12)), _CHORDS[rng.integers(len(_CHORDS))]
        ladder = [root + 12 * o + c for o in range(3) for c in chord if root + 12 * o + c <= high]
        ladder = ladder[::-1] if rng.random() < 0.4 else ladder
        for pitch in ladder[: int(rng.integers(3, 10))]:
            notes.append((time, step * ring, pitch, _velocity(rng, level)))
            time += step
    return [n for n in notes if n[0] < seconds]


def _hits(keys: tuple[int, ...], rng: np.random.Generator, seconds: float, rolls: bool) -> Notes:
    """A repeated rhythm with accents; with `rolls`, bursts of fast strokes."""
    grid, level = rng.uniform(0.09, 0.3), rng.uniform(60, 115)
    pattern = rng.random(int(rng.integers(3, 9))) < rng.uniform(0.35, 0.95)
    pattern[0] = True
    main = keys[rng.integers(len(keys))]
    notes: Notes = []
    time, beat = rng.uniform(0, 0.1), 0
    while time < seconds:
        key = main if rng.random() < 0.75 else keys[rng.integers(len(keys))]
        if rolls and rng.random() < 0.15:
            for stroke in range(int(rng.integers(4, 16))):
                loud = _velocity(rng, level * (0.5 + 0.03 * stroke))
                notes.append((time, 0.3, key, loud))
                time += rng.uniform(0.04, 0.07)
        elif pattern[beat % len(pattern)]:
            loud = _velocity(rng, level * (1.0 if beat % len(pattern) == 0 else 0.75))
            notes.append((time, rng.uniform(0.2, 0.8), key, loud))
        time, beat = time + grid, beat + 1
    return notes


def _kit(keys: tuple[int, ...], rng: np.random.Generator, seconds: float) -> Notes:
    """Kick, snare and cymbal patterns with fills."""
    kicks, snares = [k for k in keys if k in (35, 36)], [k for k in keys if k in (38, 40)]
    hats = [k for k in keys if k in (42, 44, 46, 51)]
    toms = [k for k in keys if k in (41, 43, 45, 47, 48)]
    grid, level, swing = rng.uniform(0.1, 0.22), rng.uniform(70, 115), rng.uniform(0, 0.03)
    kick, snare = rng.random(16) < 0.25, rng.random(16) < 0.08
    kick[[0, 8]], snare[[4, 12]] = True, True
    hat, every = hats[rng.integers(len(hats))], int(rng.choice([1, 2]))
    notes: Notes = []
    for beat in range(int(seconds / grid) + 1):
        time, place = beat * grid + swing * (beat % 2), beat % 16
        if place >= 13 and toms and rng.random() < 0.3:
            notes.append((time, 0.4, toms[rng.integers(len(toms))], _velocity(rng, level)))
            continue
        for yes, choice in ((kick[place], kicks), (snare[place], snares)):
            if yes and choice:
                notes.append((time, 0.4, choice[rng.integers(len(choice))], _velocity(rng, level)))
        if beat % every == 0:
            notes.append((time, 0.3, hat, _velocity(rng, 0.8 * level)))
    return notes


def _effect(sound: SoundClass, rng: np.random.Generator, seconds: float) -> Notes:
    """A recorded effect: held long, or started again and again at slightly different pitches."""
    low, high = sound.range
    level, pitch = rng.uniform(70, 120), int(rng.integers(low, high + 1))
    if rng.random() < 0.5:
        return [(0.0, seconds + 0.5, pitch, _velocity(rng, level))]
    notes: Notes = []
    time = rng.uniform(0, 0.15)
    while time < seconds:
        length = rng.uniform(0.3, 1.5)
        drift = int(np.clip(pitch + rng.integers(-2, 3), low, high))
        notes.append((time, length, drift, _velocity(rng, level)))
        time += length * rng.uniform(0.7, 1.3)
    return notes
