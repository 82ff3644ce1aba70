"""A SoundFont 2 file of a few samples, written by hand for tests."""

import struct

import numpy as np

RATE = 44_100


def tone(hertz=440.0, seconds=1.0):
    """A sine wave at 44.1 kHz, as int16 samples at half of full scale."""
    return (16_384 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(
        "<i2"
    )


def write_bank(path, samples, zones, preset=None, program=0, root=69, cents=0):
    """One program of one instrument; each zone is {number of a generator: amount}.

    A zone plays sample 0 unless it names another (53). `preset` are generators of the preset's only
    zone; `root` and `cents` go into the samples' headers. Returns `path`.
    """
    data, headers = b"", b""
    for sample in samples:
        start = len(data) // 2
        data += sample.tobytes() + b"\0" * 92
        end = start + len(sample)
        headers += struct.pack(
            "<20sIIIIIBbHH", b"tone", start, end, start, end, RATE, root, cents, 0, 1
        )
    headers += struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    generators, bags = b"", b""
    for zone in zones:
        bags += struct.pack("<HH", len(generators) // 4, 0)
        for name, amount in sorted(
            {53: 0, **zone}.items(), key=lambda pair: (pair[0] == 53, pair[0])
        ):
            generators += struct.pack("<Hh", name, amount)
    bags += struct.pack("<HH", len(generators) // 4, 0)
    outer = b"".join(struct.pack("<Hh", *pair) for pair in (preset or {}).items()) + struct.pack(
        "<Hh", 41, 0
    )
    tables = {
        b"phdr": struct.pack("<20sHHHIII", b"one", program, 0, 0, 0, 0, 0)
        + struct.pack("<20sHHHIII", b"EOP", 0, 0, 1, 0, 0, 0),
        b"pbag": struct.pack("<HHHH", 0, 0, len(outer) // 4, 0),
        b"pmod": bytes(10),
        b"pgen": outer + bytes(4),
        b"inst": struct.pack("<20sH", b"one", 0) + struct.pack("<20sH", b"EOI", len(zones)),
        b"ibag": bags,
        b"imod": bytes(10),
        b"igen": generators + bytes(4),
        b"shdr": headers,
    }
    body = b"sfbk" + _list(b"INFO", {b"ifil": struct.pack("<HH", 2, 1)})
    body += _list(b"sdta", {b"smpl": data}) + _list(b"pdta", tables)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def two_banks(folder):
    """Two small fonts in a new folder, which share a recording and have one each of their own."""
    shared, ours, theirs = (tone(hertz, 0.3) for hertz in (440.0, 550.0, 660.0))
    folder.mkdir()
    split = [{53: 0, 43: 0 | 59 << 8}, {53: 1, 43: 60 | 127 << 8}]
    return [
        write_bank(folder / "one.sf2", [shared, ours], split),
        write_bank(folder / "two.sf2", [theirs, shared], split),
    ]


def _list(name, chunks):
    body = name + b"".join(
        k + struct.pack("<I", len(v)) + v + bytes(len(v) % 2) for k, v in chunks.items()
    )
    return b"LIST" + struct.pack("<I", len(body)) + body
