"""Soundfonts in one small file: the samples that phrases of our classes read, and no others.

The file is a zip. Of each font it holds the samples of `used_samples`, one stretch after another,
as FLAC (`NAME.flac`), all bytes of the font that are no samples (`NAME.rest`), and in
`soundfonts.json` where they belong. What an earlier font of the archive holds too is copied from
there: free samples travel. Unpacked, a font has its tables and its size; samples that were left out
are zero, and holes on the disk.
"""

import hashlib
import io
import itertools
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from mars_lib.check import InputError, fail
from mars_lib.data.synthesis import archive_contents, sf2
from mars_lib.data.synthesis.archive_contents import Copy, Cut, Stretch
from mars_lib.data.synthesis.sampler import Sampler
from mars_lib.data.synthesis.used_samples import used_samples
from mars_lib.io import atomic

CONTENTS = "soundfonts.json"
WRITTEN = "give a file that `mars data pack` wrote"
LONGEST = 1 << 24  # bytes of contents; those of two fonts are 60,000
HEAD = 1_024  # samples by which a stretch is known again in another font
ZEROS = bytes(1 << 20)
# Stretches of earlier fonts by their first samples: the font, where they begin there, all samples.
Known = dict[bytes, tuple[str, int, np.ndarray]]


class Packed(NamedTuple):
    """A font's name, the bytes of its file, and those that it takes in the archive."""

    name: str
    before: int
    after: int


def pack(archive: str | Path, fonts: Iterable[str | Path]) -> list[Packed]:
    """Write what our classes play of `fonts` into an archive; the same fonts, the same bytes.

    Raises:
        InputError: when the archive is there already or cannot be written; for a file that is no
            soundfont, that our classes do not play, or whose name an archive cannot hold.
    """
    archive, paths = Path(archive), [Path(font) for font in fonts]
    if archive.exists():
        fail(str(archive), "is there already", "remove it, or give another name")
    for i, font in enumerate(paths):
        if not archive_contents.plain(font.stem):
            fail(f"soundfont {font}", "has a name that not every system allows", "rename it")
        if font.stem.lower() in (other.stem.lower() for other in paths[:i]):
            fail(f"soundfont {font}", "has the name of another one", "rename one of them")
    banks = [Sampler(font) for font in paths]
    known: Known = {}
    packed, cuts = [], []
    with atomic.writing(archive) as temporary, zipfile.ZipFile(temporary, "w") as file:
        for font, bank in zip(paths, banks):
            data = np.memmap(font, dtype=np.uint8, mode="r")
            cut = _cut(font, bank, data, known)
            after = _add(file, f"{cut.name}.rest", _joined(data, cut.rest), zipfile.ZIP_DEFLATED)
            if cut.samples:
                flac = _flac(_joined(data, cut.samples))
                after += _add(file, f"{cut.name}.flac", flac, zipfile.ZIP_STORED)
            cuts.append(cut)
            packed.append(Packed(cut.name, cut.size, after))
        _add(file, CONTENTS, archive_contents.written(cuts), zipfile.ZIP_DEFLATED)
    return packed


def unpack(archive: str | Path, folder: str | Path) -> list[Path]:
    """Write the fonts of an archive into a folder; those that are there already stay.

    Returns:
        The path of each font, in the order of the archive.

    Raises:
        InputError: for a file that is no such archive, or a damaged one; where a font of another
            content has the same name; when the folder cannot be written or the disk is full.
    """
    name, folder = str(archive), Path(folder)
    with _opened(Path(archive)) as file:
        cuts = archive_contents.read(name, _member(file, CONTENTS, LONGEST))
        paths = [folder / cut.file for cut in cuts]
        for cut, path in zip(cuts, paths):
            if path.exists() and not _holds(path, cut):
                fail(str(path), "is another file", "remove it, or give another folder")
        for cut, path in zip(cuts, paths):
            if path.exists():
                continue
            with atomic.writing(path) as temporary:
                _write(file, cut, folder, temporary)
                if not _holds(temporary, cut):
                    raise ValueError(f"{cut.file} has another checksum")
    return paths


def _cut(font: Path, bank: Sampler, data: np.ndarray, known: Known) -> Cut:
    """Find the parts of a font whose bytes are `data`; its stretches become `known`."""
    # Samples of 24 bits have their last 8 in a chunk of their own, which the player passes over.
    chunks = {name: (start, end) for name, start, end in sf2.chunks(data)}
    left_out = sorted(chunks[name] for name in (b"smpl", b"sm24") if name in chunks)
    edges = [0, *itertools.chain(*left_out), len(data)]
    rest = [Stretch(a, b - a) for a, b in zip(edges[::2], edges[1::2]) if a < b]
    samples, copies = [], []
    new: Known = {}
    for start, end in used_samples(bank):
        wave, at = bank.samples[start:end], chunks[b"smpl"][0] + 2 * start
        head = wave[:HEAD].tobytes()
        name, source, other = known.get(head, ("", 0, wave[:0]))
        same = _alike(wave, other)
        if same:
            copies.append(Copy(at, 2 * same, name, source))
        if same < len(wave):
            samples.append(Stretch(at + 2 * same, 2 * (len(wave) - same)))
        new.setdefault(head, (font.stem, at, wave))
    if not new:
        fail(f"soundfont {font}", "plays none of our classes", "leave it out")
    for head, stretch in new.items():
        known.setdefault(head, stretch)
    parts = [*rest, *samples, *(Stretch(each.at, each.size) for each in copies)]
    return Cut(font.stem, len(data), _digest(data, parts), rest, samples, copies)


def _alike(wave: np.ndarray, other: np.ndarray) -> int:
    """How many samples two stretches have in common before the first that differs."""
    length = min(len(wave), len(other))
    different = np.flatnonzero(wave[:length] != other[:length])
    return int(different[0]) if len(different) else length


def _joined(data: np.ndarray, parts: list[Stretch]) -> bytes:
    return b"".join(data[at : at + size].tobytes() for at, size in parts)


def _flac(samples: bytes) -> bytes:
    """Samples of 16 bits as a FLAC stream, whose rate says nothing."""
    stream = io.BytesIO()
    wave = np.frombuffer(samples, dtype="<i2")
    soundfile.write(stream, wave, 44_100, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def _digest(data: np.ndarray, parts: list[Stretch]) -> str:
    """SHA-256 of a file that has these parts of `data`, and zeros elsewhere."""
    sha, at = hashlib.sha256(), 0
    for part in [*sorted(parts), Stretch(len(data), 0)]:
        for done in range(at, part.at, len(ZEROS)):
            sha.update(ZEROS[: part.at - done])
        sha.update(data[part.at : part.at + part.size].tobytes())
        at = part.at + part.size
    return sha.hexdigest()


def _add(file: zipfile.ZipFile, name: str, content: bytes, method: int) -> int:
    """Add a member without the time of day, and return the bytes that it takes."""
    member = zipfile.ZipInfo(name)
    file.writestr(member, content, method)
    return member.compress_size


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """A zip to read; raises `InputError` for what is none, or turns out to be damaged."""
    if not archive.is_file():
        fail(str(archive), "is not there", WRITTEN)
    try:
        with archive.open("rb") as whole:
            if whole.read(2) != b"PK":
                fail(str(archive), "is no archive of soundfonts", WRITTEN)
            with zipfile.ZipFile(whole) as file:
                if CONTENTS not in file.namelist():
                    fail(str(archive), "is no archive of soundfonts", WRITTEN)
                yield file
    except InputError:
        raise
    except OSError as error:  # zipfile seeks to where a damaged directory sends it
        fail(str(archive), f"cannot be read ({error.strerror})", "copy it here again")
    # What zipfile, zlib, libsndfile, JSON and our own checks of the contents raise.
    except (
        *(zipfile.BadZipFile, zlib.error, soundfile.LibsndfileError, RuntimeError),
        *(ValueError, LookupError, TypeError, AttributeError, EOFError, OverflowError),
    ) as error:
        fail(str(archive), f"is a damaged archive ({error})", "copy or pack it again")


def _member(file: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A member of a zip, whose checksum is compared; raises `ValueError` above `most` bytes."""
    if file.getinfo(name).file_size > most:
        raise ValueError(f"{name} is too long")
    return file.read(name)


def _write(file: zipfile.ZipFile, cut: Cut, folder: Path, path: Path) -> None:
    """Write a font, with holes for the samples that were left out."""
    rest = _member(file, f"{cut.name}.rest", sum(part.size for part in cut.rest))
    wave = b""
    if cut.samples:
        size = sum(part.size for part in cut.samples)
        flac = io.BytesIO(_member(file, f"{cut.name}.flac", 2 * size + LONGEST))
        with soundfile.SoundFile(flac) as stream:
            wave = stream.read(size // 2, dtype="int16").astype("<i2").tobytes()
    with path.open("wb") as target:
        for parts, content in ((cut.rest, rest), (cut.samples, wave)):
            done = 0
            for at, size in parts:
                target.seek(at)
                target.write(content[done : done + size])
                done += size
        for at, size, font, source in cut.copies:
            with (folder / f"{font}.sf2").open("rb") as other:
                other.seek(source)
                target.seek(at)
                target.write(other.read(size))
        target.truncate(cut.size)


def _holds(path: Path, cut: Cut) -> bool:
    """Whether a file is the unpacked font."""
    if not path.is_file() or path.stat().st_size != cut.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == cut.sha256
