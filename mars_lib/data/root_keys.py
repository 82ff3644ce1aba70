"""Soundfonts in tune: the synthesizer plays each sample from the root key in its header, and no other.

A SoundFont 2 zone may name another root (generator 58, "overriding root key"), and most banks do so for nearly every pitched
sample. The synthesizer (symusic 0.5.9) passes that over, and a violin comes out octaves too high. Here the root of every zone is
written where it is heard: into a sample header of its own.
"""

import struct
from pathlib import Path

from mars_lib import atomic
from mars_lib.check import fail
from mars_lib.data.soundfonts import check_bank

# Generators of an instrument zone (SoundFont 2.01, section 8.1.2).
SAMPLE, ROOT_KEY = 53, 58
HEADER = "<20sIIIIIBbHH"
ROOT = 6  # place of the root key in a sample header


def write_in_tune(source: str | Path, target: str | Path) -> int:
    """Copy a soundfont with every zone's root key in its sample's header; returns how many zones needed it.

    Sound data are not touched; a sample that serves zones of several roots gets a header for each. Raises `InputError` for
    a file that is no SoundFont 2 bank, and when `target` is the source itself.
    """
    source, target = Path(source), Path(target)
    check_bank(source)
    if source.resolve() == target.resolve():
        fail(str(target), "is input and output at once", "choose another output name")
    data = source.read_bytes()
    try:
        start, end = next(
            (at, at + 8 + size) for name, at, size in _chunks(data, 12, len(data))
            if name == b"LIST" and data[at + 8 : at + 12] == b"pdta"
        )
        parts = {name: data[at + 8 : at + 8 + size] for name, at, size in _chunks(data, start + 12, end)}
        changed = _move_roots(parts)
    except (StopIteration, KeyError, IndexError, struct.error) as error:
        fail(str(source), f"is a damaged soundfont ({error!r})", "fetch it again")
    body = b"pdta" + b"".join(_chunk(name, part) for name, part in parts.items())
    whole = b"sfbk" + data[12:start] + _chunk(b"LIST", body) + data[end + (end - start) % 2 :]
    with atomic.writing(target) as temporary:
        temporary.write_bytes(_chunk(b"RIFF", whole))
    return changed


def _move_roots(parts: dict[bytes, bytes]) -> int:
    """Edit the sample headers (shdr) and the zones' generators (igen) in place."""
    headers = [list(row) for row in struct.iter_unpack(HEADER, parts[b"shdr"])]
    generators = [list(row) for row in struct.iter_unpack("<HH", parts[b"igen"])]
    bags = [first for first, _ in struct.iter_unpack("<HH", parts[b"ibag"])]
    instruments = {bag for _, bag in struct.iter_unpack("<20sH", parts[b"inst"])}
    closing, made, changed, common = headers.pop(), {}, 0, None
    for zone, (first, last) in enumerate(zip(bags, bags[1:])):
        own = {row[0]: row for row in generators[first:last]}
        if zone in instruments:
            common = None  # the root key of an instrument's global zone, which has no sample
        root = own[ROOT_KEY][1] if ROOT_KEY in own else common
        if SAMPLE not in own:
            common = root
        elif root is not None and root <= 127 and root != headers[own[SAMPLE][1]][ROOT]:
            key = (own[SAMPLE][1], root)
            if key not in made:
                made[key] = len(headers)
                headers.append([*headers[key[0]][:ROOT], root, *headers[key[0]][ROOT + 1 :]])
            own[SAMPLE][1] = made[key]
            changed += 1
    parts[b"shdr"] = b"".join(struct.pack(HEADER, *row) for row in [*headers, closing])
    parts[b"igen"] = b"".join(struct.pack("<HH", *row) for row in generators)
    return changed


def _chunks(data: bytes, start: int, end: int):
    """(name, offset, size) of the RIFF chunks between two offsets."""
    while start + 8 <= end:
        size = struct.unpack_from("<I", data, start + 4)[0]
        yield data[start : start + 4], start, size
        start += 8 + size + size % 2


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
