"""Damaged files: whatever the bytes, a reader gives a result or an `InputError`, nothing else."""

import io
import json
import tempfile
import zlib

import numpy as np
import pytest
import soundfile
from PIL import Image
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes

from mars_lib import config, waveform
from mars_lib.check import InputError
from mars_lib.data.pictures import load_picture
from mars_lib.data.synthesis import soundfont_archive
from mars_lib.data.synthesis.sampler import Sampler
from mars_lib.inference import pretrained, system
from mars_lib.io import checkpoint
from mars_lib.reward import MLBP
from mars_lib.separator import Separator
from mars_lib.training.state import separator_checkpoint
from tests.data.soundfont_bank import tone, write_bank

ROUNDS = (25, pytest.param(4_000, marks=pytest.mark.fuzz))
EXTREMES = (b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"LIST")
# What a header may hold in the place of anything.
ODD = (
    None,
    True,
    -1,
    0,
    3,
    1 << 12,
    1 << 40,
    1e300,
    float("nan"),
    "",
    "word",
    [],
    [1],
    {},
    {"a": [{}]},
)


def sound(kind, **more):
    samples = 0.1 * np.random.default_rng(0).standard_normal((2_000, 2))
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format=kind, **more)
    return file.getvalue()


def picture(mode, kind, **more):
    numbers = np.random.default_rng(0).integers(0, 256, (24, 32, 4), dtype=np.uint8)
    made = (
        Image.fromarray(numbers).convert(mode)
        if mode != "I;16"
        else Image.fromarray(numbers[..., :2].copy().view(np.uint16)[..., 0])
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    made.save(
        file, kind, **({"exif": exif} if kind in ("JPEG", "WEBP", "PNG", "TIFF") else {}), **more
    )
    return file.getvalue()


def soundfont(folder):
    zones = [
        {54: 1, 43: 0 | 63 << 8},
        {54: 1, 43: 64 | 127 << 8, 52: 40, 48: 60, 8: 6_900, 11: 6_000},
    ]
    return write_bank(
        folder / "whole.sf2", [tone(seconds=0.05)], zones, preset={48: 10}
    ).read_bytes()


def archive(folder):
    soundfont(folder)
    soundfont_archive.pack(folder / "whole.zip", [folder / "whole.sf2"])
    return (folder / "whole.zip").read_bytes()


def separator(folder):
    settings = config.smoke()
    tensors, meta = separator_checkpoint(config.to_dict(settings), Separator(settings))
    checkpoint.save(folder / "whole.safetensors", tensors, meta)
    return (folder / "whole.safetensors").read_bytes()


def fusion(folder):
    meta = {"kind": "mlbp", "embedding_size": 8, "rank": 4}
    checkpoint.save(folder / "whole.safetensors", MLBP(8, 4).state_dict(), meta)
    return (folder / "whole.safetensors").read_bytes()


def play(path):
    bank = Sampler(path)
    for program in (0, 1):
        assert np.isfinite(
            bank.play(program, [(0.0, 0.02, 40, 90), (0.01, 0.1, 100, 127)], 0.05)
        ).all()


def unpack(path):
    with tempfile.TemporaryDirectory() as folder:
        soundfont_archive.unpack(path, folder)


FILES = {
    "wav": (lambda _: sound("WAV"), waveform.load),
    "wav-float": (lambda _: sound("WAV", subtype="FLOAT"), waveform.load),
    "flac": (lambda _: sound("FLAC"), waveform.load),
    "ogg": (lambda _: sound("OGG"), waveform.load),
    "mp3": (lambda _: sound("MP3"), waveform.load),
    "png": (lambda _: picture("RGBA", "PNG"), load_picture),
    "png-palette": (lambda _: picture("P", "PNG"), load_picture),
    "png-16": (lambda _: picture("I;16", "PNG"), load_picture),
    "jpg": (lambda _: picture("RGB", "JPEG"), load_picture),
    "webp": (lambda _: picture("RGB", "WEBP"), load_picture),
    "gif": (lambda _: picture("P", "GIF"), load_picture),
    "bmp": (lambda _: picture("RGB", "BMP"), load_picture),
    "tiff": (lambda _: picture("RGB", "TIFF"), load_picture),
    "tiff-packed": (lambda _: picture("L", "TIFF", compression="tiff_lzw"), load_picture),
    "tiff-16": (lambda _: picture("I;16", "TIFF"), load_picture),
    "sf2": (soundfont, play),
    "zip": (archive, unpack),
    "mlbp": (fusion, pretrained.load_mlbp),
    "separator": (separator, system.load),
}
HEADERS = ("mlbp", "separator")


def damaged(whole, rng, head):
    """Cut off, or with bits turned, numbers made extreme, or a stretch put elsewhere.

    Half of the time that is within the first `head` bytes.
    """
    data = bytearray(whole)
    reach = min(len(data), head) if rng.random() < 0.5 else len(data)
    at = int(rng.integers(reach))
    way = rng.integers(4)
    if way == 0:
        return bytes(data[:at])
    if way == 1:
        for place in rng.integers(reach, size=rng.integers(1, 9)):
            data[place] ^= 1 << int(rng.integers(8))
    elif way == 2:
        data[at : at + 4] = EXTREMES[rng.integers(len(EXTREMES))]
    else:
        start, length = int(rng.integers(len(data))), int(rng.integers(1, 400))
        data[at : at + length * int(rng.integers(2))] = data[start : start + length]
    return bytes(data)


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes(name, rounds, tmp_path, monkeypatch, shipped):
    monkeypatch.setattr(system, "load_encoder", lambda *_: shipped.encoder)
    make, read = FILES[name]
    whole, path = make(tmp_path), tmp_path / f"damaged.{name.partition('-')[0]}"
    path.write_bytes(whole)
    read(path)
    head = 8 + int.from_bytes(whole[:8], "little") if name in HEADERS else 128
    for seed in range(rounds):
        path.unlink()  # tensors of the round before may still lie in the file
        path.write_bytes(
            damaged(whole, np.random.default_rng([zlib.crc32(name.encode()), seed]), head)
        )
        harmless(read, path, f"{name}, seed {seed}")


def harmless(read, path, what):
    try:
        read(path)
    except InputError as error:
        assert "\n" not in str(error), what
    except Exception as error:
        raise AssertionError(f"{what}: {error!r}") from error


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.filterwarnings("ignore")
def test_odd_headers(name, rounds, tmp_path, monkeypatch, shipped):
    monkeypatch.setattr(system, "load_encoder", lambda *_: shipped.encoder)
    make, read = FILES[name]
    whole, path = make(tmp_path), tmp_path / "odd.safetensors"
    tensors, size = load_bytes(whole), int.from_bytes(whole[:8], "little")
    meta = json.loads(whole[8 : 8 + size])["__metadata__"]["mars"]
    for seed in range(rounds):
        rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
        path.unlink(missing_ok=True)
        path.write_bytes(save_bytes(tensors, {"mars": json.dumps(odd(json.loads(meta), rng))}))
        harmless(read, path, f"header of {name}, seed {seed}")


def odd(value, rng):
    """A JSON value with one of its parts replaced, added or left out."""
    if not isinstance(value, dict) or not value or rng.random() < 0.1:
        return ODD[rng.integers(len(ODD))]
    key = list(value)[rng.integers(len(value))]
    if rng.random() < 0.1:
        del value[key]
    elif rng.random() < 0.1:
        value["more"] = ODD[rng.integers(len(ODD))]
    else:
        value[key] = odd(value[key], rng)
    return value
