"""Separating files: block by block, so that an hour needs no more memory than a minute."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import soundfile
import soxr
import torch
from tqdm.std import tqdm

from mars_lib import atomic, check, waveform
from mars_lib.long_audio import separate_blocks
from mars_lib.system import System

BLOCK_SECONDS = 30


def separate_file(
    system: System, source: str | Path, targets: list[str | Path], queries: torch.Tensor,
    progress: bool = True,
) -> None:
    """Read `source`, write one estimate a query to `targets`: same rate, channels and length.

    (N, D) queries for N targets; one U-Net pass for all. Targets are 16-bit, whole or not at all. Raises
    `InputError` for files that cannot be read or written, hold NaN, or are shorter than one STFT window.
    """
    source = Path(source)
    if len(targets) != len(queries):
        check.fail("targets", f"are {len(targets)}, queries {len(queries)}", "give one each")
    if source.resolve() in {Path(target).resolve() for target in targets}:
        check.fail(str(source), "is input and output at once", "choose another output name")
    waveform.probe(source)
    with ExitStack() as stack:
        reader = stack.enter_context(soundfile.SoundFile(source))
        seconds = reader.frames / reader.samplerate
        if seconds < system.shortest:
            check.fail(
                str(source),
                f"lasts {1e3 * seconds:.0f} ms",
                f"give at least one STFT window, {1e3 * system.shortest:.0f} ms",
            )
        writers = []
        for target in targets:
            temporary = stack.enter_context(atomic.writing(target))
            kind = waveform.format_of(target)
            file = soundfile.SoundFile(
                temporary, "w", reader.samplerate, reader.channels, format=kind
            )
            writers.append(stack.enter_context(file))
        bar = tqdm(total=round(seconds), desc=source.name, unit="s", disable=not progress)
        stack.callback(bar.close)
        blocks = _read(reader, system.rate, source)
        left = [reader.frames] * len(writers)
        back = [_resampler(system.rate, reader) for _ in writers]
        for estimates in separate_blocks(system.separator, blocks, queries):
            bar.update(estimates.shape[-1] / system.rate)
            for n, (writer, estimate) in enumerate(zip(writers, estimates.cpu())):
                left[n] -= _write(writer, back[n](estimate.T.numpy(), False), left[n])
        for n, writer in enumerate(writers):
            _write(writer, back[n](torch.zeros(0, reader.channels).numpy(), True), left[n])


def _read(reader: soundfile.SoundFile, rate: int, name: Path) -> Iterator[torch.Tensor]:
    """(C, L_i) blocks at `rate`."""
    convert = _resampler(reader.samplerate, reader, rate)
    heard = False
    while True:
        samples = reader.read(BLOCK_SECONDS * reader.samplerate, dtype="float32", always_2d=True)
        check.finite(str(name), torch.from_numpy(samples))
        last = len(samples) < BLOCK_SECONDS * reader.samplerate
        heard = heard or bool(samples.any())
        block = convert(samples, last)
        if len(block):
            yield torch.from_numpy(block.T.copy())
        if last:
            break
    if not heard:
        tqdm.write(f"{name} is silent, and so are the estimates")


def _resampler(rate: int, reader: soundfile.SoundFile, to: int | None = None):
    """A streaming converter (samples (L, C), last block?) -> samples."""
    to = to or reader.samplerate
    if rate == to:
        return lambda samples, last: samples
    stream = soxr.ResampleStream(rate, to, reader.channels, dtype="float32")
    return lambda samples, last: stream.resample_chunk(samples, last=last)


def _write(writer: soundfile.SoundFile, samples, room: int) -> int:
    """Write at most `room` frames; returns how many."""
    try:
        writer.write(samples[:room])
    except soundfile.LibsndfileError as error:
        check.fail(writer.name, f"could not be written ({error})", "free some disk space")
    return min(len(samples), room)
