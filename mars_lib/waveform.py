"""Waveforms: files in and out, resampling, segments, mixtures. Values in [-1, 1], float32."""

from pathlib import Path

import soundfile
import soxr
import torch

from mars_lib import atomic, check


def probe(path: str | Path) -> None:
    """Raise `InputError` unless `path` is a sound file with samples in it."""
    path = Path(path)
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "is not there"
        check.fail(str(path), problem, "give the path of a sound file (WAV, FLAC, OGG, MP3)")
    try:
        frames = soundfile.info(path).frames
    except (soundfile.LibsndfileError, RuntimeError) as error:
        check.fail(str(path), f"cannot be read as sound ({error})", "convert it to WAV or FLAC")
    if frames == 0:
        check.fail(str(path), "holds no samples", "give a file with sound in it")


def load(path: str | Path) -> tuple[torch.Tensor, int]:
    """Read a sound file: ((C, L) float32, sample rate in Hz).

    Raises `InputError` for a missing, unreadable or empty file and for NaN.
    """
    probe(path)
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    waveform = torch.from_numpy(samples.T.copy())
    check.finite(str(path), waveform)
    return waveform, rate


def format_of(path: str | Path) -> str:
    """libsndfile's name of the format that a suffix asks for; raises `InputError` for others."""
    kind = Path(path).suffix[1:].upper()
    if kind not in soundfile.available_formats():
        check.fail(str(path), f"has the suffix {Path(path).suffix!r}", "end it in .wav or .flac")
    return kind


def save(path: str | Path, waveform: torch.Tensor, rate: int) -> None:
    """Write (L,) or (C, L) samples in [-1, 1] to a sound file, whole or not at all.

    16-bit, the format by suffix (.wav, .flac, .ogg). A peak above 1 is scaled down to 1, never clipped.
    Raises `InputError` for an unknown suffix and where the file cannot be written.
    """
    kind = format_of(path)
    samples = torch.atleast_2d(waveform.detach().to("cpu", torch.float32))
    check.finite(str(path), samples)
    samples = samples / samples.abs().max().clamp(min=1.0)
    with atomic.writing(path) as temporary:
        try:
            soundfile.write(temporary, samples.T.numpy(), rate, format=kind)
        except soundfile.LibsndfileError as error:
            # libsndfile does not pass the system's reason on; a short write is a full disk.
            check.fail(str(path), f"could not be written ({error})", "free some disk space")


def resample(waveform: torch.Tensor, rate: int, new_rate: int) -> torch.Tensor:
    """Band-limited resampling of (C, L) from `rate` to `new_rate` Hz (libsoxr, high quality)."""
    check.shape("waveform", waveform, "C L")
    if rate == new_rate:
        return waveform
    return torch.from_numpy(soxr.resample(waveform.T.numpy(), rate, new_rate).T.copy())


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
    """Mixture and references from (..., N, L) sources and (..., N) gains.

    Each source is multiplied by its gain and divided by N; the mixture is their exact sum
    (Section 3.1.1; the paper does not say how loud, we follow OmniSep's recipe).
    Returns ((..., L) mixture, (..., N, L) references).
    """
    references = sources * gains[..., None] / sources.shape[-2]
    return references.sum(dim=-2), references
