"""Which samples of a bank are ever read when phrases of our classes are played."""

import math

from mars_lib.data.synthesis import phrases
from mars_lib.data.synthesis.classes import SoundClass, sound_classes
from mars_lib.data.synthesis.sampler import Sampler, reach


def used_samples(bank: Sampler) -> list[tuple[int, int]]:
    """(first sample, the one after the last) of every stretch that some phrase reads, in order.

    All keys and velocities that `phrase` plays with the programs (or drum keys) of our classes,
    each as far as its longest note reads. At any length and sample rate of a clip nothing else is
    read, and so a bank that is zero everywhere else plays the same, bit for bit.
    """
    ends: dict[int, int] = {}
    for sound in sound_classes():
        for start, end in _read_by(sound, bank):
            ends[start] = max(end, ends.get(start, 0))
    stretches: list[tuple[int, int]] = []
    for start, end in sorted(ends.items()):
        if stretches and start <= stretches[-1][1]:
            start, before = stretches.pop()
            end = max(end, before)
        stretches.append((start, end))
    return stretches


def _read_by(sound: SoundClass, bank: Sampler) -> list[tuple[int, int]]:
    """Where each zone that plays a class is read, on the key that reads farthest."""
    low, high = sound.range
    keys = sound.drum_keys or range(low, high + 1)
    held = math.inf if sound.style == "effect" else phrases.LONGEST
    found = []
    for program in sound.programs or (0,):
        for zone in bank.zones(program, drums=bool(sound.drum_keys)):
            loud = max(zone.velocities.low, phrases.SOFTEST)
            if loud <= min(zone.velocities.high, phrases.LOUDEST):
                lengths = [reach(zone, key, held) for key in keys if zone.keys.holds(key)]
                farthest = max(lengths, default=0)
                found += [(zone.start, zone.start + farthest)] if farthest else []
    return found
