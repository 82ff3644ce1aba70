"""SoundFont 2 files: what they hold, as a player needs it.

Reference: SoundFont Technical Specification 2.04 (E-mu Systems, 2006). Of its generators we keep
ranges, tuning, loops, attenuation, the volume envelope, and the filter as the modulation envelope
opens and closes it.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mars_lib.check import fail

RECORDS = {
    b"phdr": [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("rest", "V12")],
    b"pbag": [("first", "<u2"), ("mod", "<u2")],
    b"pgen": [("oper", "<u2"), ("amount", "<i2")],
    b"inst": [("name", "S20"), ("bag", "<u2")],
    b"ibag": [("first", "<u2"), ("mod", "<u2")],
    b"igen": [("oper", "<u2"), ("amount", "<i2")],
    b"shdr": [("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("loop", "<u4"), ("loop_end", "<u4"),
              ("rate", "<u4"), ("root", "u1"), ("cents", "i1"), ("link", "<u2"), ("kind", "<u2")],
}  # fmt: skip

# Generators (section 8.1.3) and their defaults where those are not 0.
START, END, LOOP, LOOP_END, COARSE = 0, 1, 2, 3, {0: 4, 1: 12, 2: 45, 3: 50}
CUTOFF, TO_CUTOFF, MOD_HOLD, MOD_DECAY, MOD_SUSTAIN = 8, 11, 27, 28, 29
DELAY, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE, KEY_TO_HOLD, KEY_TO_DECAY = range(33, 41)
INSTRUMENT, KEYS, VELOCITIES, ATTENUATION, COARSE_TUNE, FINE_TUNE = 41, 43, 44, 48, 51, 52
SAMPLE, MODES, SCALE, ROOT = 53, 54, 56, 58
TIMES = (MOD_HOLD, MOD_DECAY, DELAY, ATTACK, HOLD, DECAY, RELEASE)  # in timecents
DEFAULTS = {CUTOFF: 13_500, **dict.fromkeys(TIMES, -12_000),
            KEYS: 127 << 8, VELOCITIES: 127 << 8, SCALE: 100, ROOT: -1}  # fmt: skip
# A preset adds to these; the others belong to instruments alone.
ADDED = (
    CUTOFF,
    TO_CUTOFF,
    *range(27, 30),
    *range(33, 41),
    ATTENUATION,
    COARSE_TUNE,
    FINE_TUNE,
    SCALE,
)

DRUMS = 128  # the bank of drum kits
RATES = (400, 192_000)  # Hz; section 7.10 says 400 to 50,000, and some banks are finer
KEY_TIMES = 1_200  # timecents a key, up or down, that section 8.1.3 allows hold and decay


@dataclass(frozen=True)
class Zone:
    """A sample as one zone of a preset plays it."""

    keys: tuple[int, int]
    velocities: tuple[int, int]
    start: int
    end: int
    loop: tuple[int, int] | None
    rate: int
    root: int
    cents: int
    scale: int
    decibels: float
    # Of the lowpass filter in Hz: at the start of a note, and where the modulation envelope comes
    # to rest.
    bright: float
    dull: float
    bright_for: float
    dull_after: float
    # Seconds but for `sustain`, in dB below the peak; hold and decay change with the key by so many
    # timecents.
    delay: float
    attack: float
    hold: float
    decay: float
    sustain: float
    release: float
    key_to_hold: int
    key_to_decay: int


def read(path: str | Path) -> tuple[np.ndarray, dict[tuple[int, int], list[Zone]]]:
    """(all samples of a bank, int16, not in memory yet; (bank, program) -> its zones, in order).

    Raises `InputError` for a path that is no SoundFont 2 bank, or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        fail(str(path), "is not there", "give the path of a .sf2 file")
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        fail(str(path), "is no soundfont", "give a SoundFont 2 file (.sf2)")
    data = np.memmap(path, dtype=np.uint8, mode="r")
    try:
        parts = dict(_chunks(data, 12, len(data)))
        tables = {k: np.frombuffer(parts[k], dtype=v) for k, v in RECORDS.items()}
        samples = np.frombuffer(parts[b"smpl"], dtype="<i2")
        return samples, _zones(tables, len(samples))
    except (KeyError, IndexError, ValueError, struct.error) as error:
        fail(str(path), f"is a damaged soundfont ({error!r})", "fetch it again")


def _zones(tables: dict[bytes, np.ndarray], available: int) -> dict[tuple[int, int], list[Zone]]:
    """(bank, program) -> its zones, every instrument's zones joined with the preset's."""
    instruments, presets = [], {}
    bags = [int(bag) for bag in tables[b"inst"]["bag"]]
    for first, last in zip(bags, bags[1:]):
        instruments.append(_layers(tables[b"ibag"], tables[b"igen"], first, last, SAMPLE))
    heads = tables[b"phdr"]
    for head, following in zip(heads, heads[1:]):
        zones = presets.setdefault((int(head["bank"]), int(head["program"])), [])
        for layer in _layers(
            tables[b"pbag"], tables[b"pgen"], head["bag"], following["bag"], INSTRUMENT
        ):
            for inner in instruments[layer[INSTRUMENT]]:
                zone = _zone(layer, inner, tables[b"shdr"][inner[SAMPLE]], available)
                zones += [zone] if zone else []
    return presets


def _layers(
    bags: np.ndarray, generators: np.ndarray, first: int, last: int, closing: int
) -> list[dict]:
    """Generator values of each zone that ends in `closing`; a first zone that does not holds for
    all (section 7.3).
    """
    common, layers = {}, []
    for bag in range(int(first), int(last)):
        rows = generators[int(bags[bag]["first"]) : int(bags[bag + 1]["first"])]
        own = common | {int(row["oper"]): int(row["amount"]) for row in rows}
        if closing in {int(row["oper"]) for row in rows}:
            own[closing] &= 0xFFFF
            layers.append(own)
        elif bag == first:
            common = own
    return layers


def _zone(outer: dict, inner: dict, sample: np.ndarray, available: int) -> Zone | None:
    """A preset's zone around an instrument's; None when nothing of it can sound."""
    value = dict.fromkeys((*ADDED, *COARSE, *COARSE.values(), MODES), 0) | DEFAULTS | inner
    for name in ADDED:
        value[name] += outer.get(name, 0)
    ranges = []
    for name in (KEYS, VELOCITIES):
        pair = [(v & 255, v >> 8 & 255) for v in (value[name], outer.get(name, DEFAULTS[name]))]
        ranges.append((max(low for low, _ in pair), min(high for _, high in pair)))
    start, end, loop, loop_end = (
        int(sample[field]) + value[fine] + 32_768 * value[COARSE[fine]]
        for field, fine in (("start", START), ("end", END), ("loop", LOOP), ("loop_end", LOOP_END))
    )
    start, end = max(start, 0), min(end, available)
    if end - start < 8 or any(low > high for low, high in ranges) or sample["kind"] & 0x8000:
        return None
    if not RATES[0] <= sample["rate"] <= RATES[1]:
        return None
    looped = (
        value[MODES] in (1, 3) and start <= loop and loop_end - loop >= 2 and loop_end <= available
    )
    seconds = {n: 2 ** (max(value[n], -12_000) / 1200) for n in TIMES}
    opened = value[CUTOFF] + value[TO_CUTOFF]
    rest = min(max(value[MOD_SUSTAIN] / 1000, 0.0), 1.0)
    bright, dull = (
        8.176 * 2 ** (min(max(c, 1_500), 13_500) / 1200)
        for c in (opened, opened - rest * value[TO_CUTOFF])
    )
    root = value[ROOT] if 0 <= value[ROOT] <= 127 else int(sample["root"])
    return Zone(
        *ranges, start, max(end, loop_end) if looped else end, (loop - start, loop_end - start) if looped else None,
        int(sample["rate"]), root if root <= 127 else 60, 100 * value[COARSE_TUNE] + value[FINE_TUNE] + int(sample["cents"]),
        value[SCALE], 0.04 * max(value[ATTENUATION], 0), bright, dull,
        seconds[MOD_HOLD], max(rest, 0.01) * seconds[MOD_DECAY],
        *(seconds[n] for n in (DELAY, ATTACK, HOLD, DECAY)), min(max(value[SUSTAIN], 0) / 10, 100.0), seconds[RELEASE],
        *(min(max(value[n], -KEY_TIMES), KEY_TIMES) for n in (KEY_TO_HOLD, KEY_TO_DECAY)),
    )  # fmt: skip


def _chunks(data: np.ndarray, start: int, end: int, listed: bool = False):
    """(name, bytes) of all RIFF chunks between two offsets, and of those inside lists, which hold
    no further lists.
    """
    while start + 8 <= end:
        name, size = (
            bytes(data[start : start + 4]),
            struct.unpack("<I", bytes(data[start + 4 : start + 8]))[0],
        )
        if name == b"LIST" and not listed:
            yield from _chunks(data, start + 12, min(start + 8 + size, end), listed=True)
        else:
            yield name, data[start + 8 : min(start + 8 + size, end)]
        start += 8 + size + size % 2
