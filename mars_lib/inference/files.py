"""Separating files: block by block, so that an hour needs no more memory than a minute."""

import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
import soxr
import torch
from tqdm.std import tqdm

from mars_lib import check, waveform
from mars_lib.inference.long_audio import DEFAULT, Segments, separate_blocks
from mars_lib.io import atomic
from mars_lib.io.sound_file import SoundFile, open_sound
from mars_lib.separator import Separator

BLOCK_SECONDS = 30
# Fed to the converter back past the end, which rounding on the way there may have cut off.
PAST_THE_END = 2


def separate_file(
    separator: Separator,
    source: str | Path,
    targets: Sequence[str | Path],
    queries: torch.Tensor,
    progress: bool = True,
    segments: Segments = DEFAULT,
) -> None:
    """Read `source`, write one estimate a query to `targets`: same rate, channels and length.

    (N, D) queries for N targets; one U-Net pass for all. Targets are 16-bit, whole or not at all.
    Where an estimate rises above full scale, all are written with the one gain that brings it back,
    and a warning says so; until that is known they wait in 32 bits on the disk of their targets.

    Raises: `InputError` for files that cannot be read or written, hold NaN, or are shorter than one
        STFT window, and for a target whose format does not hold what `source` has.
    """
    if len(targets) != len(queries):
        check.fail("targets", f"are {len(targets)}, queries {len(queries)}", "give one each")
    sound = check_targets(source, targets)
    with ExitStack() as stack:
        temporaries = [stack.enter_context(atomic.writing(target)) for target in targets]
        # Files without a name: nothing of them is left, however the process ends.
        waiting = [
            stack.enter_context(tempfile.TemporaryFile(dir=path.parent)) for path in temporaries
        ]
        frames, peak = _separate(separator, sound, waiting, queries, progress, segments)
        gain = waveform.headroom(peak)
        for target, temporary, file in zip(targets, temporaries, waiting):
            blocks = (gain * block for block in _stored(file, sound.channels))
            waveform.write(target, temporary, blocks, sound.rate, sound.channels, frames)


def check_targets(
    source: str | Path, targets: Sequence[str | Path], inputs: Iterable[object] = ()
) -> SoundFile:
    """`source`, opened, once its targets are known to fit; of the `inputs` the paths count.

    Raises: `InputError` where a target is also an input or another target, through links too, or
        where its format does not hold what `source` has.
    """
    sound = open_sound(source)
    given = [Path(path) for path in (source, *inputs) if isinstance(path, (str, os.PathLike))]
    for n, target in enumerate(map(Path, targets)):
        if any(_same(target, path) for path in given):
            check.fail(str(target), "is input and output at once", "choose another output name")
        if any(_same(target, Path(other)) for other in targets[:n]):
            check.fail(str(target), "is the output of two queries", "choose another output name")
        waveform.check_format(target, sound.rate, sound.channels, sound.frames or 0)
    return sound


def target_names(output: Path, texts: Sequence[str]) -> list[Path]:
    """One output for each text: `output` for one or none, else with the text in its name.

    >>> [path.name for path in target_names(Path("out.wav"), ["drum kit", "drum_kit", "../AC/DC"])]
    ['out-drum_kit.wav', 'out-drum_kit-2.wav', 'out-AC_DC.wav']
    """
    if len(texts) < 2:
        return [output]
    names: list[str] = []
    for text in texts:
        # Letters of up to four bytes, in names of up to 255.
        name = first = re.sub(r"[^\w-]+", "_", text).strip("_")[:32] or "sound"
        taken = {name.casefold() for name in names}
        count = 1
        while name.casefold() in taken:
            count += 1
            name = f"{first}-{count}"
        names.append(name)
    return [output.with_stem(f"{output.stem}-{name}") for name in names]


def _same(one: Path, other: Path) -> bool:
    if os.path.exists(one) and os.path.exists(other):
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _separate(
    separator: Separator,
    sound: SoundFile,
    waiting: Sequence[IO[bytes]],
    queries: torch.Tensor,
    progress: bool,
    segments: Segments,
) -> tuple[int, float]:
    """Write one estimate's float32 samples to each file: (frames of each, highest peak of all)."""
    blocks, rate = _Blocks(separator, sound), separator.config.signal.sample_rate
    total = round(sound.frames / sound.rate) if sound.frames else None
    back = [_resampler(rate, sound.rate, sound.channels) for _ in waiting]
    written, peaks = [0] * len(waiting), [0.0]

    def put(n: int, samples: np.ndarray, last: bool) -> None:
        samples = back[n](samples, last)
        written[n] += _write(waiting[n], samples, blocks.frames - written[n])
        peaks.append(float(np.abs(samples).max(initial=0.0)))

    with tqdm(total=total, desc=sound.path.name, unit="s", disable=not progress) as bar:
        for estimates in separate_blocks(separator, blocks, queries, segments):
            bar.update(estimates.shape[-1] / rate)
            for n, estimate in enumerate(estimates.cpu()):
                put(n, estimate.T.numpy(), False)
    for n in range(len(waiting)):
        put(n, np.zeros((PAST_THE_END, sound.channels), np.float32), True)
    return blocks.frames, max(peaks)


class _Blocks:
    """(C, L_i) blocks of a file at the separator's rate; `frames` of the file are read so far."""

    def __init__(self, separator: Separator, sound: SoundFile) -> None:
        self.signal, self.sound, self.frames = separator.config.signal, sound, 0

    def __iter__(self) -> Iterator[torch.Tensor]:
        sound, silent = self.sound, True
        shortest = self.signal.n_fft / self.signal.sample_rate
        convert = _resampler(sound.rate, self.signal.sample_rate, sound.channels)
        # Many channels come in shorter blocks.
        size = max(sound.rate, 2 * BLOCK_SECONDS * sound.rate // max(2, sound.channels))
        for samples in sound.blocks(size):
            if self.frames + len(samples) < shortest * sound.rate:
                milliseconds = 1e3 * len(samples) / sound.rate
                remedy = f"give at least one STFT window, {1e3 * shortest:.0f} ms"
                check.fail(str(sound.path), f"lasts {milliseconds:.0f} ms", remedy)
            self.frames += len(samples)
            silent = silent and not samples.any()
            yield from _block(convert(samples, False))
        yield from _block(convert(samples[:0], True))
        if silent:
            warnings.warn(f"{sound.path} is silent, and so are the estimates", stacklevel=2)


def _block(samples: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(samples.T.copy())] if len(samples) else []


def _resampler(rate: int, to: int, channels: int) -> Callable[[np.ndarray, bool], np.ndarray]:
    """A streaming converter (samples (L, C), last block?) -> samples."""
    if rate == to:
        return lambda samples, last: samples
    stream = soxr.ResampleStream(rate, to, channels, dtype="float32")
    return lambda samples, last: stream.resample_chunk(samples, last=last)


def _write(file: IO[bytes], samples: np.ndarray, room: int) -> int:
    """Write at most `room` frames; returns how many."""
    file.write(samples[:room].tobytes())
    return min(len(samples), room)


def _stored(file: IO[bytes], channels: int) -> Iterator[np.ndarray]:
    """(L, C) blocks of what was written."""
    file.seek(0)
    frame = 4 * channels
    while block := file.read(max(1, waveform.BLOCK // channels) * frame):
        yield np.frombuffer(block, np.float32).reshape(-1, channels)
