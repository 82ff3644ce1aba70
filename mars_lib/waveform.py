"""Waveforms: files in and out, resampling, segments, mixtures. Values in [-1, 1], float32."""

import io
import math
import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from mars_lib import check
from mars_lib.io import atomic
from mars_lib.io.sound_file import open_sound

# Samples at a time: libsndfile's Ogg encoder crashes when it is given minutes at once.
BLOCK = 2**16
# Samples of all channels together where only the beginning of a file is wanted: 134 MB.
MOST = 2**25
# Bytes that the 32-bit lengths of WAV and its like can count, less the header.
LARGEST = 2**32 - 2**16
COUNTS_64_BITS = ("WAV", "RF64", "W64", "CAF", "FLAC", "OGG", "MP3")


def probe(path: str | Path) -> None:
    """Raise `InputError` unless `path` is a sound file with samples in it."""
    open_sound(path)


def load(path: str | Path, longest: float | None = None) -> tuple[torch.Tensor, int]:
    """Read a sound file; warns where it is longer than `longest`, cut or damaged.

    Args:
        path: of any format that libsndfile or PyAV reads.
        longest: so many seconds of it at most, and no more than fit into 134 MB; None for all.

    Returns:
        (C, L) float32 samples, and the sample rate in Hz.

    Raises:
        InputError: for a missing, unreadable or empty file, and for NaN.
    """
    sound = open_sound(path)
    most = max(sound.rate // 10, MOST // sound.channels)
    room = min(most, int(longest * sound.rate)) if longest is not None else None
    blocks, got = [np.zeros((0, sound.channels), np.float32)], 0
    for block in sound.blocks(max(1, BLOCK // sound.channels)):
        blocks.append(block if room is None else block[: room - got])
        got += len(blocks[-1])
        if len(blocks[-1]) < len(block):
            warnings.warn(f"{path}: only its first {got / sound.rate:.1f} s are used", stacklevel=2)
            break
    return torch.from_numpy(np.concatenate(blocks).T.copy()), sound.rate


def format_of(path: str | Path) -> str:
    """libsndfile's name of the format that a suffix asks for; raises `InputError` for others."""
    kind = {"AIF": "AIFF"}.get(suffix := Path(path).suffix[1:].upper(), suffix)
    if kind not in soundfile.available_formats():
        check.fail(str(path), f"has the suffix {Path(path).suffix!r}", "end it in .wav or .flac")
    return kind


def check_format(path: str | Path, rate: int, channels: int, frames: int = 0) -> str:
    """The format for `frames` at `rate` Hz that a suffix asks for: RF64 for a .wav above 4 GiB.

    Raises `InputError` where it does not hold that rate, so many channels, or so many bytes.
    """
    kind = format_of(path)
    large = 2 * frames * channels > LARGEST
    if large and kind not in COUNTS_64_BITS:
        check.fail(str(path), f"would be larger than the 4 GiB that {kind} holds", "end it in .wav")
    # libsndfile's Ogg encoder crashes on more; what others hold is found out on a short piece.
    fits = kind != "OGG" or (channels <= 255 and rate <= 200_000)
    if fits:
        try:
            piece = io.BytesIO()
            soundfile.write(piece, np.zeros((64, channels), np.float32), rate, format=kind)
            piece.seek(0)
            about = soundfile.info(piece)
            fits = (about.samplerate, about.channels) == (rate, channels)
        except (soundfile.LibsndfileError, TypeError):
            fits = False
    if not fits:
        problem = f"cannot hold {channels} channel(s) at {rate} Hz"
        check.fail(str(path), problem, "end it in .wav")
    return "RF64" if large and kind == "WAV" else kind


def write(
    path: str | Path,
    temporary: Path,
    blocks: Iterable[np.ndarray],
    rate: int,
    channels: int,
    frames: int,
) -> None:
    """Write (L, C) blocks in [-1, 1] to `temporary`, 16-bit, in the format that `path` asks for."""
    kind = check_format(path, rate, channels, frames)
    try:
        with soundfile.SoundFile(os.fsencode(temporary), "w", rate, channels, format=kind) as file:
            for block in blocks:
                file.write(block)
    except soundfile.LibsndfileError as error:
        # libsndfile does not pass the system's reason on; a short write is a full disk.
        problem = f"could not be written ({error.error_string})"
        check.fail(str(path), problem, "free some disk space")


def save(path: str | Path, waveform: torch.Tensor, rate: int) -> None:
    """Write (L,) or (C, L) samples in [-1, 1] to a sound file, whole or not at all.

    16-bit, the format by suffix (.wav, .flac, .ogg). A peak above 1 is scaled down to 1 with a
    warning, never clipped.

    Raises:
        InputError: for an unknown suffix, for a format that does not hold the rate or the channels,
            for NaN, and where the file cannot be written.
    """
    samples = torch.atleast_2d(waveform.detach().to("cpu", torch.float32))
    check_format(path, rate, *samples.shape)
    check.finite(str(path), samples)
    gain = headroom(float(samples.abs().max()) if samples.numel() else 0.0)
    blocks = ((gain * block).T.numpy() for block in samples.split(BLOCK, dim=-1))
    with atomic.writing(path) as temporary:
        write(path, temporary, blocks, rate, *samples.shape)


def headroom(peak: float) -> float:
    """The gain that brings a peak above full scale down to it, with a warning; 1 for others."""
    if peak <= 1:
        return 1.0
    problem = f"a peak of {peak:.3g} is above full scale"
    warnings.warn(f"{problem}: written {20 * math.log10(peak):.1f} dB quieter", stacklevel=3)
    return 1 / peak


def resample(waveform: torch.Tensor, rate: float, new_rate: float) -> torch.Tensor:
    """Band-limited resampling of (C, L) from `rate` to `new_rate` Hz (libsoxr, high quality)."""
    check.shape("waveform", waveform, "C L")
    if rate == new_rate:
        return waveform
    return torch.from_numpy(soxr.resample(waveform.T.numpy(), rate, new_rate).T.copy())


def mono(waveform: torch.Tensor) -> torch.Tensor:
    """(C, L) -> (L,): the mean of the channels, or the loudest where they cancel each other out.

    >>> mono(torch.tensor([[1.0, -2.0], [-1.0, 2.0]]))
    tensor([ 1., -2.])
    """
    check.shape("waveform", waveform, "C L")
    energies = waveform.square().sum(dim=-1)
    total = waveform.sum(dim=0)
    # Parts that have nothing in common add up in energy; 10 dB less is a cancellation.
    if total.square().sum() < 0.1 * energies.sum():
        return waveform[energies.argmax()]
    return total / len(waveform)


def fit_length(waveform: torch.Tensor, length: int) -> torch.Tensor:
    """Cut (..., L) to `length` samples, or repeat it until it is that long.

    >>> fit_length(torch.tensor([1.0, 2.0]), 5)
    tensor([1., 2., 1., 2., 1.])
    """
    given = waveform.shape[-1]
    if given == 0:
        check.fail("waveform", "holds no samples", "give at least one")
    if given < length:
        repeats = [1] * (waveform.ndim - 1) + [-(-length // given)]
        waveform = waveform.repeat(repeats)
    return waveform[..., :length]


def rms(waveform: torch.Tensor) -> torch.Tensor:
    """Root mean square over time, (..., L) -> (..., 1)."""
    return waveform.square().mean(dim=-1, keepdim=True).sqrt()


def match_level(waveform: torch.Tensor, level: float = 0.1) -> torch.Tensor:
    """Scale (..., L) to an RMS of `level`; silence stays silence."""
    return waveform * (level / rms(waveform).clamp(min=1e-8))


def mix(sources: torch.Tensor, gains: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The mixture of some sources, and the references that sum to it (Section 3.1.1).

    Each source is multiplied by its gain and divided by N; the mixture is their exact sum. The
    paper does not say how loud, we follow OmniSep's recipe.

    Args:
        sources: (..., N, L).
        gains: (..., N).

    Returns:
        The mixture, (..., L), and the references, (..., N, L).
    """
    references = sources * gains[..., None] / sources.shape[-2]
    return references.sum(dim=-2), references
