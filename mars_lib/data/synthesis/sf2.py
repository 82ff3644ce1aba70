"""SoundFont 2 files: their samples, and the zones that a player needs.

Reference: SoundFont Technical Specification 2.04 (E-mu Systems, 2006).
"""

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from mars_lib.check import fail
from mars_lib.data.synthesis import zones
from mars_lib.data.synthesis.zones import Amounts, Generator, Zone

# The tables of a bank (section 7), their fields in the order of the file.
RECORDS = {
    b"phdr": [
        ("name", "S20"),
        ("program", "<u2"),
        ("bank", "<u2"),
        ("bag", "<u2"),
        ("rest", "V12"),
    ],
    b"pbag": [("first", "<u2"), ("mod", "<u2")],
    b"pgen": [("oper", "<u2"), ("amount", "<i2")],
    b"inst": [("name", "S20"), ("bag", "<u2")],
    b"ibag": [("first", "<u2"), ("mod", "<u2")],
    b"igen": [("oper", "<u2"), ("amount", "<i2")],
    b"shdr": [
        ("name", "S20"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("loop", "<u4"),
        ("loop_end", "<u4"),
        ("rate", "<u4"),
        ("root", "u1"),
        ("cents", "i1"),
        ("link", "<u2"),
        ("kind", "<u2"),
    ],
}


DRUMS = 128  # the bank of drum kits


def read(path: str | Path) -> tuple[np.ndarray, dict[tuple[int, int], list[Zone]]]:
    """The samples and the zones of a bank.

    Returns:
        All samples, int16, not in memory yet; and (bank, program) -> its zones, in order.

    Raises:
        InputError: for a path that is no SoundFont 2 bank, or a damaged one.
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
        parts = {name: data[start:end] for name, start, end in chunks(data)}
        tables = {k: np.frombuffer(parts[k], dtype=v) for k, v in RECORDS.items()}
        samples = np.frombuffer(parts[b"smpl"], dtype="<i2")
        return samples, _zones(tables, len(samples))
    except (KeyError, IndexError, ValueError, struct.error) as error:
        fail(str(path), f"is a damaged soundfont ({error!r})", "fetch it again")


def _zones(tables: dict[bytes, np.ndarray], available: int) -> dict[tuple[int, int], list[Zone]]:
    """(bank, program) -> its zones, every instrument's zones joined with the preset's."""
    presets: dict[tuple[int, int], list[Zone]] = {}
    bags = [int(bag) for bag in tables[b"inst"]["bag"]]
    instruments = [
        _layers(tables[b"ibag"], tables[b"igen"], first, last, Generator.SAMPLE)
        for first, last in pairwise(bags)
    ]
    for head, following in pairwise(tables[b"phdr"]):
        found = presets.setdefault((int(head["bank"]), int(head["program"])), [])
        first, last = int(head["bag"]), int(following["bag"])
        for layer in _layers(tables[b"pbag"], tables[b"pgen"], first, last, Generator.INSTRUMENT):
            for inner in instruments[layer[Generator.INSTRUMENT]]:
                sample = tables[b"shdr"][inner[Generator.SAMPLE]]
                zone = zones.join(layer, inner, sample, available)
                found += [zone] if zone else []
    return presets


def _layers(
    bags: np.ndarray, generators: np.ndarray, first: int, last: int, closing: Generator
) -> list[Amounts]:
    """The amounts of each zone of bags `first` to `last` that ends in the generator `closing`.

    A first zone that does not holds for all (section 7.3).
    """
    shared: Amounts = {}
    layers = []
    for bag in range(first, last):
        rows = generators[int(bags[bag]["first"]) : int(bags[bag + 1]["first"])]
        own = {int(row["oper"]): int(row["amount"]) for row in rows}
        if closing in own:
            own[closing] &= 0xFFFF
            layers.append(shared | own)
        elif bag == first:
            shared = own
    return layers


def chunks(data: np.ndarray) -> Iterator[tuple[bytes, int, int]]:
    """(name, first byte, the one after its last) of all RIFF chunks of a file of (size,) uint8.

    Those inside lists are named instead of their lists. Lists in lists are not looked into.
    """
    return _chunks(data, 12, len(data))


def _chunks(
    data: np.ndarray, start: int, end: int, listed: bool = False
) -> Iterator[tuple[bytes, int, int]]:
    """The chunks between two offsets."""
    while start + 8 <= end:
        name = bytes(data[start : start + 4])
        (size,) = struct.unpack("<I", bytes(data[start + 4 : start + 8]))
        if name == b"LIST" and not listed:
            yield from _chunks(data, start + 12, min(start + 8 + size, end), listed=True)
        else:
            yield name, start + 8, min(start + 8 + size, end)
        start += 8 + size + size % 2
