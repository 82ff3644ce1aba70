"""Decoding of downloaded videos and sound files: samples at 16 kHz, and a picture a second.

PyAV's wheels carry ffmpeg, so that no system library is needed.
"""

import io
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from PIL import Image, ImageOps

from mars_lib.check import fail
from mars_lib.data.pictures import SIZE
from mars_lib.io.sound_file import pyav

RATE = 16_000
VIDEOS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".flv")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus")
# Without a length in the header: what ffmpeg says is a guess.
GUESSED = (".mp3", ".aac")


@dataclass(frozen=True)
class Recording:
    """What is kept of a file.

    Attributes:
        samples: (L,) int16, mono, at 16 kHz.
        pictures: JPEG files of 224 x 224, number k (from 1) shown k - 0.5 s after the start.
    """

    samples: np.ndarray
    pictures: tuple[bytes, ...]

    @property
    def seconds(self) -> float:
        """How long its sound lasts."""
        return len(self.samples) / RATE


def read(path: str | Path) -> Recording:
    """Decode a file whose suffix is one of `VIDEOS` or `SOUNDS`; an hour of it takes about 150 MB.

    Channels are averaged. The short side of a picture is fitted to 224 and the middle kept; a sound
    file has no pictures, its cover is none.

    Raises:
        InputError: its message beginning with `path`, for a file that cannot be decoded from end to
            end, that ends before its header says, that has no sound, or that is a video without
            pictures.
    """
    av, path = pyav(), Path(path)
    with_pictures = path.suffix.lower() in VIDEOS
    try:
        recording, declared = _decode(av, path, with_pictures)
    # PyAV raises ValueError where the sound changes its format in the middle.
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        fail(str(path), f"cannot be decoded ({reason})", "download it again")
    if not len(recording.samples):
        fail(str(path), "has no sound that can be decoded", "download it again, with its sound")
    if with_pictures and not recording.pictures:
        remedy = "download it again, or give its sound alone, as .wav"
        fail(str(path), "has no pictures that can be decoded", remedy)
    found = max(recording.seconds, len(recording.pictures))
    if path.suffix.lower() not in GUESSED and found < 0.9 * declared - 0.5:
        fail(str(path), "ends before its header says", "download it again")
    return recording


class _Frame(Protocol):
    """What is read of a frame of PyAV."""

    @property
    def time(self) -> float: ...
    @property
    def duration(self) -> int | None: ...
    @property
    def time_base(self) -> Fraction: ...
    @property
    def rotation(self) -> int: ...

    def to_image(self) -> Image.Image:
        """Its pixels."""


def _decode(av: ModuleType, path: Path, with_pictures: bool) -> tuple[Recording, float]:
    """The first sound of a file and, where wanted, its first moving pictures, in one pass.

    Returns:
        What was decoded, and how many seconds the header says.
    """
    attached = av.stream.Disposition.attached_pic
    pieces, pictures = [np.zeros(0, np.int16)], list[bytes]()
    start = 0.0
    shown: _Frame | None = None
    with av.open(str(path)) as container:
        sounds = [s for s in container.streams.audio if s.codec_context is not None]
        moving = [s for s in container.streams.video if s.codec_context is not None]
        moving = [s for s in moving if not s.disposition & attached]
        streams = sounds[:1] + (moving[:1] if with_pictures else [])
        for stream in streams:
            stream.codec_context.thread_count = 1  # files are decoded in parallel already
        resampler = av.AudioResampler("s16", "mono", RATE)
        # Without streams, `decode` would mean all of them.
        for frame in container.decode(*streams) if streams else ():
            if isinstance(frame, av.AudioFrame):
                pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
            elif frame.time is not None:
                start = frame.time if shown is None else start
                pictures += _shown(shown, frame.time - start, len(pictures))
                shown = frame
        if len(pieces) > 1:
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
        if shown is not None:
            end = shown.time - start + float((shown.duration or 0) * shown.time_base)
            pictures += _shown(shown, end, len(pictures))
        recording = Recording(np.concatenate(pieces), tuple(pictures))
        return recording, (container.duration or 0) / av.time_base


def _shown(frame: _Frame | None, until: float, taken: int) -> list[bytes]:
    """A frame as JPEG, once for every half second past a full one at which it is seen.

    Those are the ones from `taken` on and before `until`.
    """
    times = max(0, math.ceil(until - 0.5) - taken)
    return times * [_jpeg(frame)] if times and frame is not None else []


def _jpeg(frame: _Frame) -> bytes:
    """A frame upright, its short side fitted to 224 and the middle kept."""
    image = frame.to_image().rotate(frame.rotation, Image.Resampling.NEAREST, expand=True)
    image = ImageOps.fit(image, (SIZE, SIZE), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()
