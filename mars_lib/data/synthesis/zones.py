"""Zones of a SoundFont 2 bank: how a sample is played on some keys, out of numbered amounts.

Reference: SoundFont Technical Specification 2.04 (E-mu Systems, 2006), section 8. Of its generators
we keep ranges, tuning, loops, attenuation, the volume envelope, and the filter as the modulation
envelope opens and closes it.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np


class Generator(IntEnum):
    """The generators that are read, by their numbers in section 8.1.3."""

    START, END, LOOP, LOOP_END, START_COARSE = 0, 1, 2, 3, 4
    CUTOFF, CUTOFF_ENVELOPE, END_COARSE = 8, 11, 12
    # The modulation envelope, which opens and closes the filter.
    MOD_HOLD, MOD_DECAY, MOD_SUSTAIN = 27, 28, 29
    # The volume envelope.
    DELAY, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE = 33, 34, 35, 36, 37, 38
    KEY_TO_HOLD, KEY_TO_DECAY = 39, 40
    INSTRUMENT, KEYS, VELOCITIES, LOOP_COARSE = 41, 43, 44, 45
    ATTENUATION, LOOP_END_COARSE, COARSE_TUNE, FINE_TUNE = 48, 50, 51, 52
    SAMPLE, MODES, SCALE, ROOT = 53, 54, 56, 58


G = Generator
# Amounts of a zone by the number of the generator; those that are not known are never read.
Amounts = dict[int, int]

TIMES = (G.MOD_HOLD, G.MOD_DECAY, G.DELAY, G.ATTACK, G.HOLD, G.DECAY, G.RELEASE)  # in timecents
SHORTEST = -12_000  # timecents: a millisecond
FULL_RANGE = 127 << 8  # both ends of a range in one amount: the low byte is the lower end
DEFAULTS: Amounts = {
    **dict.fromkeys(G, 0),
    **dict.fromkeys(TIMES, SHORTEST),
    G.CUTOFF: 13_500,
    G.KEYS: FULL_RANGE,
    G.VELOCITIES: FULL_RANGE,
    G.SCALE: 100,
    G.ROOT: -1,
}
# A preset adds to these; the others belong to instruments alone.
ADDED = (
    *(G.CUTOFF, G.CUTOFF_ENVELOPE, G.MOD_HOLD, G.MOD_DECAY, G.MOD_SUSTAIN),
    *(G.DELAY, G.ATTACK, G.HOLD, G.DECAY, G.SUSTAIN, G.RELEASE, G.KEY_TO_HOLD, G.KEY_TO_DECAY),
    *(G.ATTENUATION, G.COARSE_TUNE, G.FINE_TUNE, G.SCALE),
)

RATES = (400, 192_000)  # Hz; section 7.10 says 400 to 50,000, and some banks are finer
KEY_TIMES = 1_200  # timecents a key, up or down, that section 8.1.3 allows hold and decay
ROM = 0x8000  # the bit of a sample's kind that says that it lies in a sound card's ROM


class Range(NamedTuple):
    """Keys or velocities that a zone answers to, both ends included."""

    low: int
    high: int

    def holds(self, value: int) -> bool:
        """Whether `value` lies within."""
        return self.low <= value <= self.high


class Loop(NamedTuple):
    """A loop's first sample and the one after its last, counted from the zone's start."""

    start: int
    end: int


@dataclass(frozen=True)
class Filter:
    """The lowpass filter of a zone, as the modulation envelope closes it.

    Attributes:
        bright: cutoff in Hz at the start of a note.
        dull: cutoff in Hz where the envelope comes to rest.
        hold: seconds at the first.
        decay: seconds from there to the second.
    """

    bright: float
    dull: float
    hold: float
    decay: float


@dataclass(frozen=True)
class Envelope:
    """The volume envelope of a zone.

    Attributes:
        delay, attack, hold, decay, release: seconds; decay and release are those of 100 dB.
        sustain: dB below the peak, 0 to 100.
        key_to_hold, key_to_decay: timecents by which hold and decay shrink with every key up.
    """

    delay: float
    attack: float
    hold: float
    decay: float
    sustain: float
    release: float
    key_to_hold: int
    key_to_decay: int


@dataclass(frozen=True)
class Zone:
    """A sample as one zone of a preset plays it.

    Attributes:
        keys, velocities: what it answers to, MIDI pitches and velocities.
        start, end: its part of the bank's samples.
        loop: what is repeated as long as the note lasts; None where nothing is.
        rate: of the sample, in Hz.
        root: MIDI pitch of the sample.
        cents: by which it is tuned up.
        scale: cents from one key to the next.
        decibels: by which it is softer.
    """

    keys: Range
    velocities: Range
    start: int
    end: int
    loop: Loop | None
    rate: int
    root: int
    cents: int
    scale: int
    decibels: float
    filter: Filter
    envelope: Envelope


def join(outer: Amounts, inner: Amounts, sample: np.void, available: int) -> Zone | None:
    """A preset's zone around an instrument's; None when nothing of it can sound.

    Args:
        outer: the preset's amounts, which add to the instrument's or narrow its ranges.
        inner: the instrument's amounts.
        sample: the sample's row in the bank's table of samples.
        available: samples in the bank.
    """
    value = DEFAULTS | inner
    for generator in ADDED:
        value[generator] += outer.get(generator, 0)
    keys, velocities = (
        _common(value[each], outer.get(each, FULL_RANGE)) for each in (G.KEYS, G.VELOCITIES)
    )
    start = max(int(sample["start"]) + value[G.START] + 32_768 * value[G.START_COARSE], 0)
    end = min(int(sample["end"]) + value[G.END] + 32_768 * value[G.END_COARSE], available)
    loop = _loop(value, sample, start, available)
    if end - start < 8 or keys.low > keys.high or velocities.low > velocities.high:
        return None
    if sample["kind"] & ROM or not RATES[0] <= sample["rate"] <= RATES[1]:
        return None
    root = value[G.ROOT] if 0 <= value[G.ROOT] <= 127 else int(sample["root"])
    return Zone(
        keys=keys,
        velocities=velocities,
        start=start,
        end=max(end, start + loop.end) if loop else end,
        loop=loop,
        rate=int(sample["rate"]),
        root=root if root <= 127 else 60,
        cents=100 * value[G.COARSE_TUNE] + value[G.FINE_TUNE] + int(sample["cents"]),
        scale=value[G.SCALE],
        # Centibels, of which players take four tenths.
        decibels=0.04 * max(value[G.ATTENUATION], 0),
        filter=_filter(value),
        envelope=_envelope(value),
    )


def _common(*amounts: int) -> Range:
    """The range that several have in common; empty, its low end above its high one, if none."""
    return Range(max(v & 255 for v in amounts), min(v >> 8 & 255 for v in amounts))


def _loop(value: Amounts, sample: np.void, start: int, available: int) -> Loop | None:
    """The loop of a zone that begins at sample `start`; None for a zone without, or a wrong one."""
    first = int(sample["loop"]) + value[G.LOOP] + 32_768 * value[G.LOOP_COARSE]
    last = int(sample["loop_end"]) + value[G.LOOP_END] + 32_768 * value[G.LOOP_END_COARSE]
    looped = value[G.MODES] in (1, 3)  # to the note's end, or while its key is held
    if looped and start <= first and last - first >= 2 and last <= available:
        return Loop(first - start, last - start)
    return None


def _filter(value: Amounts) -> Filter:
    """The lowpass filter that a zone's amounts say; resonance is passed over."""
    opened = value[G.CUTOFF] + value[G.CUTOFF_ENVELOPE]
    rest = min(max(value[G.MOD_SUSTAIN] / 1000, 0.0), 1.0)
    return Filter(
        bright=_hertz(opened),
        dull=_hertz(opened - rest * value[G.CUTOFF_ENVELOPE]),
        hold=_seconds(value[G.MOD_HOLD]),
        decay=max(rest, 0.01) * _seconds(value[G.MOD_DECAY]),
    )


def _envelope(value: Amounts) -> Envelope:
    """The volume envelope that a zone's amounts say."""
    to_hold, to_decay = (
        min(max(value[each], -KEY_TIMES), KEY_TIMES) for each in (G.KEY_TO_HOLD, G.KEY_TO_DECAY)
    )
    return Envelope(
        delay=_seconds(value[G.DELAY]),
        attack=_seconds(value[G.ATTACK]),
        hold=_seconds(value[G.HOLD]),
        decay=_seconds(value[G.DECAY]),
        sustain=min(max(value[G.SUSTAIN], 0) / 10, 100.0),
        release=_seconds(value[G.RELEASE]),
        key_to_hold=to_hold,
        key_to_decay=to_decay,
    )


def _seconds(timecents: int) -> float:
    """A time in seconds, a millisecond at least."""
    return 2 ** (max(timecents, SHORTEST) / 1200)


def _hertz(cents: float) -> float:
    """A cutoff in absolute cents, held to the 20 Hz to 20 kHz of section 8.1.3."""
    return 8.176 * 2 ** (min(max(cents, 1_500), 13_500) / 1200)
