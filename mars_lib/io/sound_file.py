"""Sound files, decoded block by block: whole, or with a warning that some of it is lost.

libsndfile reads as much as the header measures. Headers of MP3, Ogg and FLAC may promise too
little, or nothing at all: these PyAV (extra `video`) reads to the end of the file, and libsndfile
only where PyAV is not installed.
"""

import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import numpy as np
import soundfile
import torch

from mars_lib import check

if TYPE_CHECKING:
    from av import AudioFrame

COMPRESSED = ("MP3", "OGG", "FLAC")
VIDEO = "pip install 'mars-lib[video]'"
# libsndfile's length of a FLAC file that does not say how long it is.
UNKNOWN = 2**62
# Two frames of MP3: what its encoders add at both ends and decoders may or may not take away.
SLACK = 2304


class _Header(Protocol):
    """What libsndfile says of a file (`soundfile.info`)."""

    frames: int
    samplerate: int
    channels: int
    format: str
    extra_info: str


@dataclass(frozen=True)
class SoundFile:
    """A sound file that can be read.

    Attributes:
        path: where it is.
        rate: in Hz.
        channels: how many.
        frames: the length that its header promises, None where it promises nothing.
        by_pyav: whether PyAV decodes it; else libsndfile does.
        cut: whether its last page is not there.
    """

    path: Path
    rate: int
    channels: int
    frames: int | None
    by_pyav: bool
    cut: bool

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Decode all of it in order, block by block.

        Warns at the end where less was there than promised.

        Args:
            size: frames of a block; the last one may have fewer.

        Yields:
            (frames, channels) float32.

        Raises:
            InputError: for NaN and for what cannot be decoded.
        """
        got, lost = 0, list[object]()
        blocks = _by_pyav(self, size, lost) if self.by_pyav else _by_libsndfile(self, size)
        for block in blocks:
            check.finite(str(self.path), torch.from_numpy(block))
            got += len(block)
            yield block
        promised = ""
        if self.frames is not None and got < self.frames - SLACK:
            promised = f" of {self.frames / self.rate:.2f} s"
        if promised or lost or self.cut:
            found = f"only {got / self.rate:.2f} s{promised} can be read"
            _warn(self.path, f"is cut or damaged: {found}")


def open_sound(path: str | Path) -> SoundFile:
    """Look into a sound file, without decoding it.

    Raises:
        InputError: where the file is not there, or no sample of it can be read.
    """
    path = Path(path)
    if not os.path.isfile(path):
        problem = "is a folder" if os.path.isdir(path) else "is not there"
        check.fail(str(path), problem, "give the path of a sound file (WAV, FLAC, OGG, MP3)")
    av, reason = _av(), "no sound that can be decoded"
    about: _Header | None = None
    # libsndfile's MP3 decoder writes to the terminal.
    if av is None or path.suffix.lower() != ".mp3":
        try:
            about = soundfile.info(os.fsencode(path))
        except (soundfile.LibsndfileError, RuntimeError) as error:
            reason = str(getattr(error, "error_string", error))
    if about is not None and about.frames and about.format not in COMPRESSED:
        frames = _declared(about)
        return SoundFile(path, about.samplerate, about.channels, frames, False, False)
    cut = about is not None and "lacks an end-of-stream bit" in about.extra_info
    try:
        first = next(_frames(av, _parts(path)[0], []), None) if av is not None else None
    except OSError as error:
        check.fail(str(path), f"cannot be read ({error.strerror})", "give a file that you may read")
    if first is not None:
        rate, channels = first.sample_rate, first.layout.nb_channels
        return SoundFile(path, rate, channels, _promised(path, about, rate), True, cut)
    if about is None:
        remedy = "convert it to WAV or FLAC" if av else f"{VIDEO}, or convert it to WAV or FLAC"
        check.fail(str(path), f"cannot be read as sound ({reason})", remedy)
    if about.frames == 0:
        check.fail(str(path), "holds no samples", "give a file with sound in it")
    if about.frames > UNKNOWN or (about.format == "MP3" and _mp3_frames(path) is None):
        check.fail(str(path), "does not say how long it is", f"{VIDEO}, or convert it to WAV")
    return SoundFile(path, about.samplerate, about.channels, about.frames, False, cut)


def pyav() -> ModuleType:
    """Return the package `av`. Raises `InputError` where it is not installed."""
    return _av() or check.fail("PyAV", "is not installed", VIDEO)


def _av() -> ModuleType | None:
    try:
        import av
    except ImportError:
        return None
    return av


def _warn(path: Path, problem: str) -> None:
    warnings.warn(f"{path}: {problem}", stacklevel=3)


def _by_libsndfile(sound: SoundFile, size: int) -> Iterator[np.ndarray]:
    with sound.path.open("rb") as raw, soundfile.SoundFile(raw.fileno(), closefd=False) as file:
        got = 0
        while True:
            try:
                block = file.read(size, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                reason = f"cannot be read beyond {got / sound.rate:.1f} s"
                check.fail(str(sound.path), f"{reason} ({error})", f"{VIDEO}, or convert it to WAV")
            got += len(block)
            if len(block):
                yield block
            if len(block) < size:
                break
        left = os.fstat(raw.fileno()).st_size - os.lseek(raw.fileno(), 0, os.SEEK_CUR)
        if file.format in COMPRESSED and left > 0.05 * os.fstat(raw.fileno()).st_size:
            _warn(sound.path, f"goes on for {left} bytes that cannot be read; {VIDEO}")


def _by_pyav(sound: SoundFile, size: int, lost: list[object]) -> Iterator[np.ndarray]:
    """Blocks as PyAV decodes them; what it cannot decode is passed over, and goes to `lost`."""
    held, count = list[np.ndarray](), 0
    for piece in _pieces(sound.path, lost):
        held.append(piece)
        count += len(piece)
        while count >= size:
            whole = np.concatenate(held)
            yield whole[:size]
            held, count = [whole[size:]], count - size
    if count:
        yield np.concatenate(held)


def _pieces(path: Path, lost: list[object]) -> Iterator[np.ndarray]:
    """Yield (frames, channels) float32, as short as the packets of the file."""
    av = pyav()
    converter, first = av.AudioResampler("fltp"), None
    for frame in (frame for url in _parts(path) for frame in _frames(av, url, lost)):
        form = (frame.sample_rate, frame.layout.name, frame.format.name)
        first = first or form
        if form != first:
            problem = "changes its rate, channels or bits on the way"
            check.fail(str(path), problem, "convert its parts to WAV, each alone")
        for converted in converter.resample(frame):
            yield converted.to_ndarray().T.copy()


# What a file names, as playlists do, is not fetched.
LOCAL = {"protocol_whitelist": "file,subfile"}


def _frames(av: ModuleType, url: str, lost: list[object]) -> Iterator["AudioFrame"]:
    """The decoded frames of the first sound in a file, as far as there is one."""
    try:
        with av.open(url, options=LOCAL) as container:
            streams = [s for s in container.streams.audio if s.codec_context is not None]
            for stream in streams[:1]:
                if stream.codec_context.name == "flac":
                    # A frame whose checksum is wrong would sound as noise.
                    stream.codec_context.options = {"err_detect": "crccheck+explode"}
                end = 0
                for packet in container.demux(stream):
                    end = packet.pos + packet.size if packet.pos else end
                    try:
                        yield from packet.decode()
                    except av.FFmpegError as error:
                        lost.append(error)
                if stream.codec_context.name.startswith("pcm_") and end < 0.95 * container.size:
                    lost.append("bytes beyond the end of an uncompressed sound")
    except av.FFmpegError as error:
        lost.append(error)


def _parts(path: Path) -> list[str]:
    """What PyAV opens: of WAV files that were joined end to end each, of others the file."""
    ends = [0]
    with path.open("rb") as file:
        while (head := file.read(12))[:4] == b"RIFF" and head[8:] == b"WAVE":
            ends.append(ends[-1] + 8 + int.from_bytes(head[4:8], "little"))
            file.seek(ends[-1])
    if len(ends) < 3:
        return [f"file:{path}"]
    return [f"subfile,,start,{low},end,{high},,:file:{path}" for low, high in pairwise(ends)]


def _declared(about: _Header) -> int:
    """The length in the header of an uncompressed file: libsndfile takes what is there."""
    found = re.findall(r" : (\d+) \(should be (\d+)\)", about.extra_info)
    # Those who stream write the largest number for a length that they do not know.
    for said, there in ((int(said), int(there)) for said, there in found[-1:]):
        if said > there and (said + 2**12) % 2**31 > 2**13:
            return about.frames * said // max(1, there)
    return about.frames


def _promised(path: Path, about: _Header | None, rate: int) -> int | None:
    """The length that the header of a compressed file promises; None where it promises nothing."""
    if about is None or about.format == "MP3":
        frames = _mp3_frames(path)
        return frames and frames * (1152 if rate >= 32_000 else 576)
    return about.frames * rate // about.samplerate if about.frames < UNKNOWN else None


def _mp3_frames(path: Path) -> int | None:
    """How many frames the first frame of an MP3 file says there are, None where it does not say."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            file.seek(10 + sum(byte << 7 * k for k, byte in enumerate(reversed(head[6:10]))))
        else:
            file.seek(0)
        tag = re.search(rb"(?:Xing|Info)(.{4})(.{4})", file.read(256), re.DOTALL)
    # The first of its flags says that the number follows.
    return int.from_bytes(tag[2], "big") if tag and tag[1][3] & 1 else None
