"""Soundfonts: where they are, which classes each can play."""

import importlib.util
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from mars_lib.check import fail
from mars_lib.data.synthesis.classes import SoundClass, sound_classes
from mars_lib.data.synthesis.phrases import Notes
from mars_lib.data.synthesis.sampler import Sampler
from mars_lib.io import assets

# A probe note below this RMS is silence: some fonts define an instrument and leave it empty.
SILENT = 2e-3

# Above this `similarity` two notes count as one recording: copies measure 0.38 to 1, different
# instruments at most 0.3, few lie between.
COPY = 0.32


@dataclass(frozen=True)
class Soundfont:
    """A General MIDI soundfont on disk, or a folder of patches.

    `role` is "training", "further" (training too, without what it shares with the unseen one) or
    "unseen".
    """

    name: str
    path: Path
    role: str = "training"


def find(extra: tuple[str, ...] = (), listed_only: bool = False) -> list[Soundfont]:
    """The soundfonts at hand: those of `data/soundfonts.json` plus `extra` paths for training.

    Further paths come from the environment variable MARS_SOUNDFONTS, separated as PATH is. Packages
    that are not installed are passed over; with `listed_only` so are all others.

    Raises:
        InputError: when nothing is found, or for a path that is no soundfont.
    """
    fonts = listed()
    named = [p for p in os.environ.get("MARS_SOUNDFONTS", "").split(os.pathsep) if p]
    for path in () if listed_only else (*named, *extra):
        fonts.append(Soundfont(Path(path).stem, Path(path)))
        sampler(fonts[-1].path)
    if not fonts:
        remedy = "install one as data (pip install --no-deps pretty_midi) or set MARS_SOUNDFONTS"
        fail("soundfonts", "none found", remedy)
    return fonts


def listed() -> list[Soundfont]:
    """The soundfonts of `data/soundfonts.json` whose packages are installed."""
    fonts = []
    for row in json.loads((assets.folder() / "soundfonts.json").read_text(encoding="utf-8")):
        # find_spec does not run the package: it is installed as data, without its dependencies.
        spec = importlib.util.find_spec(row["package"])
        if spec is not None and spec.origin is not None:
            path = Path(spec.origin).parent / row["file"]
            if path.is_file():
                fonts.append(Soundfont(row["name"], path, row["role"]))
    return fonts


@cache
def sampler(path: Path) -> Sampler:
    """The player of a soundfont, which is read once; raises `InputError` for another file."""
    return Sampler(path)


def play(
    font: Soundfont,
    sound: SoundClass,
    program: int,
    notes: Notes,
    seconds: float,
    sample_rate: int = 16_000,
) -> np.ndarray:
    """Notes with one program of a class: (seconds * sample_rate,) float32, at any level."""
    return sampler(font.path).play(
        program, notes, seconds, sample_rate, drums=bool(sound.drum_keys)
    )


def voices(sound: SoundClass) -> list[tuple[int, int]]:
    """(program, pitch) pairs that probe a class: each drum key, or each program's middle."""
    if sound.drum_keys:
        return [(0, key) for key in sound.drum_keys]
    middle = sum(sound.range) // 2
    return [(program, middle) for program in sound.programs]


@cache
def probe(font: Soundfont, sound: SoundClass, program: int, pitch: int) -> np.ndarray:
    """A note of 0.8 seconds, one second long at 16 kHz: (16000,) float64."""
    return play(font, sound, program, [(0.0, 0.8, pitch, 100)], 1.0).astype(np.float64)


@cache
def audible(font: Soundfont, sound: SoundClass) -> tuple[int, ...]:
    """The programs (or drum keys) of a class that a font really plays; silent ones are left out."""
    return tuple(
        pitch if sound.drum_keys else program
        for program, pitch in voices(sound)
        if np.sqrt(np.mean(probe(font, sound, program, pitch) ** 2)) > SILENT
    )


def missing_classes(font: Soundfont) -> list[str]:
    """Names of the classes that a font lacks or renders silent; they are left out, never used."""
    return [sound.name for sound in sound_classes() if not audible(font, sound)]


@cache
def similarity(
    font: Soundfont, other: Soundfont, sound: SoundClass, program: int, pitch: int
) -> float:
    """How much two fonts' probe notes look like one recording, from 0 to 1.

    The largest correlation of their flattened spectra. Freely licensed samples travel between
    soundfonts, and one that does must not count as unseen. Two notes of one pitch correlate
    whatever plays them; dividing each spectrum by its own level nearby leaves what only a copy
    shares.
    """
    flat = []
    for each in (font, other):
        wave = probe(each, sound, program, pitch)
        spectrum = np.fft.rfft(wave - wave.mean(), 2**15)
        power = np.abs(spectrum) ** 2
        nearby = np.convolve(power, np.ones(129) / 129, "same")
        flat.append(spectrum / np.sqrt(nearby + 1e-6 * power.max() + 1e-20))
    peak = np.abs(np.fft.irfft(flat[0] * flat[1].conj())).max() * 2**14
    return float(min(peak / np.sqrt(np.prod([np.sum(np.abs(f) ** 2) for f in flat])), 1.0))


@cache
def unshared(font: Soundfont, others: tuple[Soundfont, ...], sound: SoundClass) -> tuple[int, ...]:
    """The programs of a class that `font` plays, without copies of what one of the `others` holds.

    Percussion counts as a whole: it is unshared when none of its keys is a copy.
    """
    copies = {
        pitch if sound.drum_keys else program
        for program, pitch in voices(sound)
        if any(similarity(font, other, sound, program, pitch) > COPY for other in others)
    }
    kept = tuple(key for key in audible(font, sound) if key not in copies)
    return () if sound.drum_keys and copies else kept
