"""What recordings do to a sound: tuning, vibrato, equaliser, room, saturation, codec, noise.

All clips of a batch at once, on their device. What each of them meets is drawn before, on the host.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch.nn import functional
from torchaudio.transforms import Resample

from mars_lib import check
from mars_lib.data.synthesis.soundfonts import SILENT

RATE = 16_000
LEVEL = 0.1  # RMS of a clip where it sounds
FRAME = 512  # samples, 32 ms: each sounds or does not
LONGEST_ROOM = round(0.45 * RATE)
LOWEST, HIGHEST = 20, RATE / 2  # Hz, the ends of the equaliser
PLAIN, HALF_RATE, TWO_THIRDS_RATE, COMPANDED = range(4)  # what `Chains.codec` says
BLOCK = 32  # clips of a pass on the CPU: more fall out of its caches, fewer are all preparation


@dataclass(frozen=True, eq=False)
class Chains:
    """The random numbers of n recording chains, on the host: what each does to its clip.

    Each effect is taken with its own probability, so that clean clips and single effects occur too.
    One that is not taken has a neutral number.
    """

    taken: np.ndarray  # (n,) bool, False: not augmented at all
    seed: np.ndarray  # (n,) 63 bits, for what is drawn on the device: the room's tail and the noise
    cents: np.ndarray  # (n,) of tuning, 0 for none
    vibrato_cents: np.ndarray  # (n,) 3 to 25, 0 for none
    vibrato_hertz: np.ndarray  # (n,) 4 to 7
    vibrato_phase: np.ndarray  # (n,) 0 to 6 radians
    vibrato_delay: np.ndarray  # (n,) 0 to 0.5 s before it sets in
    knots: np.ndarray  # (n,) 4 to 8 of the equaliser, evenly spaced in octaves from 20 Hz to 8 kHz
    equaliser: np.ndarray  # (n, 8) dB at the knots, 0 for none
    low_cut: np.ndarray  # (n,) 60 to 300 Hz, 0 for none
    high_cut: np.ndarray  # (n,) 2500 to 7500 Hz, infinite for none
    room: np.ndarray  # (n,) 0.08 to 0.45 s in which it dies away by 60 dB, 0 for none
    room_delay: np.ndarray  # (n,) 0.001 to 0.02 s from the direct sound to the tail
    room_level: np.ndarray  # (n,) -18 to 2 dB of the tail against the direct sound
    drive: np.ndarray  # (n,) 1 to 6 at the clip's peak, 0 for no saturation
    codec: np.ndarray  # (n,) PLAIN, HALF_RATE, TWO_THIRDS_RATE or COMPANDED
    noise: np.ndarray  # (n,) -60 to -25 dB against the clip, minus infinity for none
    noise_slope: np.ndarray  # (n,) 0 (white) to 1 (6 dB an octave)

    @classmethod
    def draw(cls, rng: np.random.Generator, count: int, share: float = 1.0) -> "Chains":
        """Draw chains, each taken with probability `share`; `InputError` if not of [0, 1]."""
        check.between("share", share, 0, 1)

        def one_of(probability: float) -> np.ndarray:
            return rng.random(count) < probability

        def between(low: float, high: float) -> np.ndarray:
            return rng.uniform(low, high, count)

        detuned = one_of(0.8)
        codec = np.where(one_of(0.5), rng.integers(HALF_RATE, COMPANDED, count), COMPANDED)
        return cls(
            taken=one_of(share),
            seed=rng.integers(2**63 - 1, size=count),  # the next one is used too
            cents=rng.normal(0, 25, count) * detuned,
            vibrato_cents=between(3, 25) * (one_of(0.5) & detuned),
            vibrato_hertz=between(4, 7),
            vibrato_phase=between(0, 6),
            vibrato_delay=between(0, 0.5),
            knots=rng.integers(4, 9, count),
            equaliser=rng.normal(size=(count, 8)) * (between(1, 7) * one_of(0.8))[:, None],
            low_cut=between(60, 300) * one_of(0.3),
            high_cut=np.where(one_of(0.3), np.exp(between(math.log(2500), math.log(7500))), np.inf),
            room=np.exp(between(math.log(0.08), math.log(0.45))) * one_of(0.5),
            room_delay=between(0.001, 0.02),
            room_level=between(-18, 2),
            drive=between(1, 6) * one_of(0.25),
            codec=np.where(one_of(0.15), codec, PLAIN),
            noise=np.where(one_of(0.5), between(-60, -25), -np.inf),
            noise_slope=between(0, 1),
        )

    def __len__(self) -> int:
        return len(self.taken)

    def __getitem__(self, rows: slice | np.ndarray) -> "Chains":
        return Chains(*(getattr(self, field.name)[rows] for field in fields(self)))


def vary(waves: torch.Tensor, chains: Chains) -> torch.Tensor:
    """Send every clip through its recording chain: (n, L) float32 at 16 kHz -> (n, L) float32.

    What becomes of a clip does not depend on the others. It comes back at an RMS of 0.1 where it
    sounds, as `mars_lib.data.mini_music.level` has it, and silence as silence; where its chain is
    not taken, as it was. Kinds of devices draw different noise and rooms for the same seed.

    Raises `InputError` for waves of another shape, and for fewer than 512 samples.
    """
    check.shape("waves", waves, "n L", n=len(chains))
    check.at_least("samples of a clip", waves.shape[1], FRAME)
    varied = waves.clone()
    block = BLOCK if waves.device.type == "cpu" else max(1, len(waves))
    for start in range(0, len(waves), block):
        rows = slice(start, start + block)
        _apply(_record, varied[rows], chains[rows], chains.taken[rows])
    return varied


def _apply(effect: Callable, batch: torch.Tensor, chains: Chains, taken: np.ndarray) -> None:
    """Replace the rows that are taken by what an effect makes of them, and may do in place.

    Which they are is known on the host, so a card is never waited for.
    """
    rows = np.flatnonzero(taken)
    if not len(rows):
        return
    if len(rows) == 1:
        rows = rows.repeat(2)  # one alone may go through other kernels, which round differently
    index = _send(rows, batch.device)
    changed = effect(batch.index_select(0, index), chains[rows])
    if batch.is_cpu:  # where this takes a third of the time
        for row, values in zip(rows.tolist(), changed):
            batch[row] = values
    else:
        batch.index_copy_(0, index, changed)


def _send(values: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(values).to(device, non_blocking=device.type == "cuda")


def _column(values: np.ndarray, device: torch.device) -> torch.Tensor:
    """One number a row: (n, 1) float32."""
    return _send(values.astype(np.float32)[:, None], device)


def _record(waves: torch.Tensor, chains: Chains) -> torch.Tensor:
    """All effects in their order."""
    _apply(_detune, waves, chains, (chains.cents != 0) | (chains.vibrato_cents > 0))
    cut = (chains.low_cut > 0) | np.isfinite(chains.high_cut)
    _apply(_colour, waves, chains, chains.equaliser.any(axis=1) | cut | (chains.room > 0))
    _apply(_saturate, waves, chains, chains.drive > 0)
    for codec in (HALF_RATE, TWO_THIRDS_RATE):
        _apply(_resample, waves, chains, chains.codec == codec)
    _apply(_compand, waves, chains, chains.codec == COMPANDED)
    _apply(_add_noise, waves, chains, np.isfinite(chains.noise))
    return _level(waves)


def _detune(waves: torch.Tensor, chains: Chains) -> torch.Tensor:
    """Read each clip at a slightly wrong and wavering speed."""
    length, device = waves.shape[1], waves.device
    step = torch.arange(length, device=device)
    # How far ahead of real time, in samples: float32 has digits for this, not for the position.
    ahead = _column(np.exp2(np.clip(chains.cents, -85, 85) / 1200) - 1, device) * step
    _apply(_waver, ahead, chains, chains.vibrato_cents > 0)
    whole = ahead.floor()
    # Up to 5 % faster than the clip lasts: read on from the start rather than from silence.
    circular = torch.cat((waves, waves[:, : length // 16]), dim=1)
    return _interpolate(circular, whole.long().add_(step), ahead.sub_(whole))


def _waver(ahead: torch.Tensor, chains: Chains) -> torch.Tensor:
    """The same as `ahead`, samples ahead of real time, for clips with vibrato."""
    device = ahead.device
    time = torch.arange(ahead.shape[1], device=device) / RATE
    phase = 2 * math.pi * _column(chains.vibrato_hertz, device) * time
    swing = phase.add_(_column(chains.vibrato_phase, device)).sin_()
    swing *= (time - _column(chains.vibrato_delay, device)).mul_(4).clamp_(0, 1)
    cents = swing.mul_(_column(chains.vibrato_cents, device)).add_(_column(chains.cents, device))
    faster = cents.clamp_(-85, 85).mul_(math.log(2) / 1200).expm1_()
    faster[:, 0] = 0  # every clip begins in time
    return faster.cumsum_(dim=1)


def _interpolate(values: torch.Tensor, index: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """Read rows of `values` between their entries `index` and `index + 1`."""
    return torch.lerp(values.gather(1, index), values[:, 1:].gather(1, index), part)


def _colour(waves: torch.Tensor, chains: Chains) -> torch.Tensor:
    """Equaliser, microphone band and room in the frequency domain."""
    length = waves.shape[1]
    size = next_fast_len(length + LONGEST_ROOM, real=True)

    def reverberate(spectrum: torch.Tensor, chains: Chains) -> torch.Tensor:
        return spectrum.mul_(torch.fft.rfft(_room(chains, spectrum.device), size))

    spectrum = torch.fft.rfft(waves, size)
    spectrum *= _gain(chains, torch.arange(size // 2 + 1, device=waves.device) * (RATE / size))
    _apply(reverberate, spectrum, chains, chains.room > 0)
    return torch.fft.irfft(spectrum, size)[:, :length]


def _gain(chains: Chains, frequency: torch.Tensor) -> torch.Tensor:
    """Factors of equaliser and microphone band at (F,) frequencies in Hz: (n, F)."""
    device = frequency.device
    octave = torch.log2(frequency.clamp_min(LOWEST) / LOWEST) / math.log2(HIGHEST / LOWEST)
    knot = octave * _column(chains.knots - 1, device)
    whole = knot.floor()
    decibel = functional.pad(_send(chains.equaliser.astype(np.float32), device), (0, 1))
    level = _interpolate(decibel, whole.long(), knot.sub_(whole))
    # (cut / frequency)^4 and (frequency / cut)^8: one power for a row, one for a frequency.
    low = _column(chains.low_cut**4, device) * frequency.clamp_min(1) ** -4
    high = _column((HIGHEST / chains.high_cut) ** 8, device) * (frequency / HIGHEST) ** 8
    return level.mul_(math.log(10) / 20).exp_().div_(low.add_(1)).div_(high.add_(1))


def _room(chains: Chains, device: torch.device) -> torch.Tensor:
    """Impulse responses of rooms: direct sound, then noise that dies away."""
    tail = _normal(chains.seed, (chains.room * RATE).astype(int), device)
    time = torch.arange(tail.shape[1], device=device)
    tail *= torch.exp(_column(-math.log(1000) / (RATE * chains.room), device) * time)
    tail.masked_fill_(time < _column(np.floor(chains.room_delay * RATE), device), 0)
    tail *= _column(10 ** (chains.room_level / 20), device) / _norm(tail)
    tail[:, 0] = 1
    return tail


def _normal(seeds: np.ndarray, lengths: np.ndarray, device: torch.device) -> torch.Tensor:
    """Standard normal numbers from a generator for each row, and zeros behind each row's length."""
    numbers = torch.zeros(len(seeds), int(lengths.max()), device=device)
    for row, seed, length in zip(numbers, seeds.tolist(), lengths.tolist()):
        row[:length].normal_(generator=torch.Generator(device).manual_seed(seed))
    return numbers


def _saturate(waves: torch.Tensor, chains: Chains) -> torch.Tensor:
    drive = _column(chains.drive, waves.device) / _peak(waves)
    return (waves * drive).tanh_().div_(drive)


def _resample(waves: torch.Tensor, chains: Chains) -> torch.Tensor:
    """Through a channel of a lower rate, the same for all clips."""
    ours, theirs = {HALF_RATE: (2, 1), TWO_THIRDS_RATE: (3, 2)}[int(chains.codec[0])]
    there = _resampler(ours, theirs, waves.device)(waves)
    return _resampler(theirs, ours, waves.device)(there)[:, : waves.shape[1]]


@lru_cache
def _resampler(source: int, target: int, device: torch.device) -> Resample:
    """Kept, because making it waits for a card. Its filter is `scipy.signal.resample_poly`'s."""
    kaiser = {"resampling_method": "sinc_interp_kaiser", "beta": 5.0}
    return Resample(source, target, lowpass_filter_width=10, rolloff=1.0, **kaiser).to(device)


def _compand(waves: torch.Tensor, _: Chains) -> torch.Tensor:
    """Round to 8 bits, with finer steps where it is quiet."""
    peak = _peak(waves)
    companded = torch.log1p(255 * waves.abs() / peak) / math.log(256)
    rounded = torch.round(companded * 127) / 127
    return torch.expm1(rounded * math.log(256)).mul_(torch.sign(waves)).mul_(peak / 255)


def _add_noise(waves: torch.Tensor, chains: Chains) -> torch.Tensor:
    """Add noise with a spectrum that falls by 0 (white) to 6 dB an octave."""
    length, device = waves.shape[1], waves.device
    size = next_fast_len(length, real=True)
    bins = size // 2 + 1
    # The spectrum of white noise is white noise as well, so it is drawn as one.
    numbers = _normal(chains.seed + 1, np.full(len(chains), 2 * bins), device)
    spectrum = torch.view_as_complex(numbers.unflatten(1, (bins, 2)))
    # Bins of a transform of the clip's own length.
    log = torch.log((torch.arange(bins, device=device) * (length / size)).clamp_min(8))
    spectrum *= torch.exp(_column(-chains.noise_slope, device) * log)
    spectrum[:, 0] *= math.sqrt(2)  # all its power is in its real part
    noise = torch.fft.irfft(spectrum, size)[:, :length]
    gain = _column(10 ** (chains.noise / 20), device) * _norm(waves) / _norm(noise)
    return torch.addcmul(waves, noise, gain)


def _norm(waves: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(waves, dim=1, keepdim=True)


def _peak(waves: torch.Tensor) -> torch.Tensor:
    """The largest sample of each row, (n, 1), and above 0."""
    return waves.abs().amax(dim=1, keepdim=True).clamp_min(1e-9)


def _level(waves: torch.Tensor) -> torch.Tensor:
    """Scale to an RMS of 0.1 over the frames that sound: those within 30 dB of the loudest.

    Silence, and clips with samples that are not finite, become zeros.
    """
    frames = waves[:, : waves.shape[1] // FRAME * FRAME].unflatten(1, (-1, FRAME))
    energy = torch.linalg.vector_norm(frames, dim=2).square_().div_(FRAME)
    loudest = energy.amax(dim=1, keepdim=True)
    loud = energy > 1e-3 * loudest
    mean = torch.where(loud, energy, 0).sum(dim=1, keepdim=True) / loud.sum(dim=1, keepdim=True)
    sounds = (loudest >= SILENT**2) & (loudest < math.inf)  # neither holds for NaN
    return waves.mul_(LEVEL / mean.sqrt()).masked_fill_(~sounds, 0)
