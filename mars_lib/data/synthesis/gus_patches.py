"""Folders of Gravis Ultrasound patches, one file an instrument, as Debian's `freepats` holds them.

Reference: the Gravis Ultrasound SDK 2.22 (1994), patch files. A file's number in front of its name
is its General MIDI program, or its drum key in a folder whose name begins with "Drum".
"""

import re
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mars_lib.check import fail
from mars_lib.data.synthesis.sf2 import DRUMS
from mars_lib.data.synthesis.zones import Envelope, Filter, Loop, Range, Zone

HEADER = 129 + 63 + 47  # bytes before the first sample: file, instrument, layer
SAMPLE = np.dtype(
    [
        ("name", "S7"),
        ("fractions", "u1"),
        ("bytes", "<u4"),
        ("loop", "<u4"),
        ("loop_end", "<u4"),
        ("rate", "<u2"),
        ("low", "<u4"),  # these three in thousandths of a hertz
        ("high", "<u4"),
        ("root", "<u4"),
        ("tune", "<i2"),
        ("balance", "u1"),
        ("rates", "6u1"),
        ("offsets", "6u1"),
        ("tremolo", "3u1"),
        ("vibrato", "3u1"),
        ("modes", "u1"),
        ("scale", "<i2", (2,)),
        ("rest", "V36"),
    ]
)
SIXTEEN_BITS, UNSIGNED, LOOPED, BACK_AND_FORTH, BACKWARDS = 1, 2, 4, 8, 16
# A step of the envelope's logarithmic volume.
DECIBELS = 6.02 / 16
# The envelope's clock: steps of volume a second at rate 1.
STEPS = 44_100 / 8192
NEVER = 1_000.0  # seconds of decay or release where a volume stays
FULL = Range(0, 127)


def read(folder: str | Path) -> tuple[np.ndarray, dict[tuple[int, int], list[Zone]]]:
    """The samples and the zones of a folder of patches, as `mars_lib.data.synthesis.sf2.read`.

    Raises `InputError` for a folder without patches, and for a damaged one.
    """
    found: list[np.ndarray] = []
    zones: dict[tuple[int, int], list[Zone]] = {}
    at = 0
    for path in sorted(Path(folder).glob("*/*.pat")):
        number = re.match(r"\d{3}", path.name)
        if not number or int(number[0]) > 127:
            continue
        drums, key = path.parent.name.startswith("Drum"), int(number[0])
        try:
            waves, rows = _patch(path)
        except (ValueError, IndexError) as error:
            fail(str(path), f"is a damaged patch ({error})", "install its package again")
        place = zones.setdefault((DRUMS, 0) if drums else (0, key), [])
        starts = at + np.cumsum([0, *(len(wave) for wave, _ in waves)])
        if drums:
            place.append(_zone(rows[0], waves[0], int(starts[0]), Range(key, key), fixed=True))
        else:
            for index, keys in _ranges(rows):
                place.append(_zone(rows[index], waves[index], int(starts[index]), keys))
        found += [wave for wave, _ in waves]
        at = int(starts[-1])
    if not found:
        fail(str(folder), "holds no patches", "give a folder with Tone_000/040_Violin.pat and more")
    return np.concatenate(found), zones


def _patch(path: Path) -> tuple[list[tuple[np.ndarray, Loop | None]], list[Any]]:
    """The samples of a file with their loops, and their headers."""
    data = path.read_bytes()
    if data[:10] != b"GF1PATCH11":
        raise ValueError("no GF1PATCH11")
    waves, rows, at = [], [], HEADER
    for _ in range(data[HEADER - 41]):
        row = np.frombuffer(data, SAMPLE, 1, at)[0]
        at += SAMPLE.itemsize
        waves.append(_wave(row, data[at : at + int(row["bytes"])]))
        rows.append(row)
        at += int(row["bytes"])
    if at > len(data) or not rows:
        raise ValueError("it ends early")
    return waves, rows


def _wave(row: Any, data: bytes) -> tuple[np.ndarray, Loop | None]:
    """A sample, int16, played forwards, and its loop, also forwards."""
    modes, wide = int(row["modes"]), bool(row["modes"] & SIXTEEN_BITS)
    kind = ("<u2" if wide else "u1") if modes & UNSIGNED else ("<i2" if wide else "i1")
    wave = np.frombuffer(data, kind).astype(np.int32)
    wave = wave - (0x8000 if wide else 0x80) if modes & UNSIGNED else wave
    wave = (wave if wide else wave * 256).astype("<i2")
    size = 2 if wide else 1
    first, last = int(row["loop"]) // size, min(int(row["loop_end"]) // size, len(wave))
    if modes & BACKWARDS:
        wave, first, last = wave[::-1], len(wave) - last, len(wave) - first
    if not modes & LOOPED or last - first < 2:
        return wave, None
    if modes & BACK_AND_FORTH:
        turned = wave[first:last][::-1]
        wave, last = np.concatenate([wave[:last], turned]), last + len(turned)
    return wave, Loop(first, last)


def _ranges(rows: list[Any]) -> list[tuple[int, Range]]:
    """(which sample, keys): the first that covers a key plays it, or else the nearest in pitch."""
    pitches = np.array([_pitch(row["root"]) for row in rows])

    def sample(key: int) -> int:
        for index, row in enumerate(rows):
            if _pitch(row["low"]) - 0.3 <= key <= _pitch(row["high"]) + 0.3:
                return index
        return int(np.abs(pitches - key).argmin())

    grouped = ((index, list(keys)) for index, keys in groupby(range(128), key=sample))
    return [(index, Range(keys[0], keys[-1])) for index, keys in grouped]


def _zone(
    row: Any, wave: tuple[np.ndarray, Loop | None], start: int, keys: Range, fixed: bool = False
) -> Zone:
    """A sample on some keys; a drum sounds at its own pitch."""
    pitch = float(keys.low) if fixed else _pitch(row["root"])
    root = min(max(round(pitch), 0), 127)
    return Zone(
        keys=keys,
        velocities=FULL,
        start=start,
        end=start + len(wave[0]),
        loop=wave[1],
        rate=int(row["rate"]),
        root=root,
        cents=round(100 * (root - pitch)),
        scale=0 if fixed else 100,
        decibels=0.0,
        filter=Filter(20_000.0, 20_000.0, 0.001, 0.001),
        envelope=_envelope(row["rates"].astype(int), row["offsets"].astype(int)),
    )


def _envelope(rates: np.ndarray, offsets: np.ndarray) -> Envelope:
    """Attack to the first volume, decay to the third, where a key is held, then release."""
    speeds = np.maximum(rates & 63, 1) << 3 * (3 - (rates >> 6))
    drops = np.maximum(offsets[:2] - offsets[1:3], 0)
    slowest = 1 + int(drops.argmax())
    hundred = 100 / DECIBELS / STEPS  # seconds of 100 dB at speed 1
    falls = offsets[3] < offsets[0]  # else it sounds on to the sample's end
    return Envelope(
        delay=0.001,
        attack=max(float(offsets[0] / STEPS / speeds[0]), 0.001),
        hold=0.001,
        decay=max(float(hundred / speeds[slowest]), 0.001) if drops.any() else NEVER,
        sustain=float(min(max(offsets[0] - offsets[2], 0) * DECIBELS, 100.0)),
        release=max(float(hundred / speeds[3]), 0.03) if falls else NEVER,
        key_to_hold=0,
        key_to_decay=0,
    )


def _pitch(frequency: Any) -> float:
    """A frequency in thousandths of a hertz as a MIDI pitch."""
    return float(69 + 12 * np.log2(max(int(frequency), 1) / 440_000))
