"""Soundfonts: where they are, which classes each can play."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import symusic
from scipy.signal import resample_poly

from mars_lib import shipped
from mars_lib.check import fail
from mars_lib.data.classes import SoundClass, sound_classes

# The synthesizer runs at 48 kHz and we take every third sample: at 16 kHz it aliases, and it never returns when
# a looped sample is read in steps longer than its loop, as high notes at low rates are.
OVERSAMPLING = 3

# A probe note below this RMS is silence: some fonts define an instrument and leave it empty.
SILENT = 2e-3


@dataclass(frozen=True)
class Soundfont:
    """A General MIDI soundfont on disk. `role` is "training" or "unseen"."""

    name: str
    path: Path
    role: str = "training"
    # Programs that read past the end of their sample and sound of whatever memory holds.
    broken_programs: tuple[int, ...] = ()


def find(extra: tuple[str, ...] = (), listed_only: bool = False) -> list[Soundfont]:
    """The soundfonts at hand: those of `data/soundfonts.json` plus `extra` paths for training.

    Further paths come from the environment variable MARS_SOUNDFONTS, separated as PATH is. Packages that are
    not installed are passed over; with `listed_only` so are all others. Raises `InputError` when nothing is found, or for a path that is no soundfont.
    """
    fonts = []
    for row in json.loads((shipped.folder() / "soundfonts.json").read_text(encoding="utf-8")):
        # find_spec does not run the package: it is installed as data, without its dependencies.
        spec = importlib.util.find_spec(row["package"])
        if spec is not None:
            path = Path(spec.origin).parent / row["file"]
            if path.is_file():
                broken = tuple(row.get("broken_programs", ()))
                fonts.append(Soundfont(row["name"], path, row["role"], broken))
    named = [p for p in os.environ.get("MARS_SOUNDFONTS", "").split(os.pathsep) if p]
    for path in () if listed_only else (*named, *extra):
        fonts.append(Soundfont(Path(path).stem, Path(path)))
        _probe(fonts[-1].path)
    if not fonts:
        fail(
            "soundfonts",
            "none found",
            "install one as data (pip install --no-deps pretty_midi) or set MARS_SOUNDFONTS",
        )
    return fonts


def check_bank(path: Path) -> None:
    """Raise `InputError` for a path that is no SoundFont 2 file."""
    if not path.is_file():
        fail(str(path), "is not there", "give the path of a .sf2 file")
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"sfbk":
        fail(str(path), "is no soundfont", "give a SoundFont 2 file (.sf2)")


@cache
def _probe(path: Path) -> None:
    """Raise `InputError` for a file that is no soundfont, or one that the synthesizer cannot play.

    Each class is played at its highest pitch in a process of its own: on some fonts the synthesizer never returns.
    """
    check_bank(path)
    command = [sys.executable, "-m", "mars_lib.data.soundfonts", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        fail(str(path), "hangs the synthesizer", "use another soundfont")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it crashed"])[-1]
        fail(str(path), f"cannot be played ({last})", "use another soundfont")


@cache
def _synthesizer(path: Path, sample_rate: int) -> symusic.Synthesizer:
    check_bank(path)
    return symusic.Synthesizer(str(path), sample_rate, 1)


def play(
    font: Soundfont, sound: SoundClass, program: int, notes: list, sample_rate: int
) -> np.ndarray:
    """Render notes (seconds, seconds, pitch, velocity) with one program: (L,) float32, any level
    and length."""
    if not notes:
        return np.zeros(1, dtype=np.float32)
    track = symusic.Track("", program, bool(sound.drum_keys), ttype="second")
    for time, duration, pitch, velocity in notes:
        track.notes.append(
            symusic.Note(time, duration, int(pitch), int(velocity), ttype="second")
        )
    score = symusic.Score(ttype="second")
    score.tracks.append(track)
    rate = OVERSAMPLING * sample_rate
    wave = np.asarray(_synthesizer(font.path, rate).render(score, stereo=False))[0]
    return resample_poly(wave, 1, OVERSAMPLING)


def voices(sound: SoundClass) -> list[tuple[int, int]]:
    """(program, pitch) pairs that a class is probed with: each drum key, or each program's middle."""
    if sound.drum_keys:
        return [(0, key) for key in sound.drum_keys]
    middle = sum(sound.range) // 2
    return [(program, middle) for program in sound.programs]


@cache
def audible(font: Soundfont, sound: SoundClass, sample_rate: int = 16_000) -> tuple[int, ...]:
    """The programs (or drum keys) of a class that this font really plays; empty when it is silent."""
    kept = []
    for program, pitch in voices(sound):
        if not sound.drum_keys and program in font.broken_programs:
            continue
        wave = play(font, sound, program, [(0.0, 0.8, pitch, 100)], sample_rate)
        if np.sqrt(np.mean(wave[:sample_rate].astype(np.float64) ** 2)) > SILENT:
            kept.append(pitch if sound.drum_keys else program)
    return tuple(kept)


def missing_classes(font: Soundfont) -> list[str]:
    """Names of the classes that a font lacks or renders silent; they are left out, never used."""
    return [sound.name for sound in sound_classes() if not audible(font, sound)]


def shared_recordings(font: Soundfont, other: Soundfont, sound: SoundClass) -> float:
    """Largest normalised cross-correlation of the two fonts' probe notes, in [0, 1].

    1 means that both hold the same recording: freely licensed samples travel between soundfonts, and a
    class that does must not count as unseen.
    """
    highest = 0.0
    for program, pitch in voices(sound):
        if program in (*font.broken_programs, *other.broken_programs):
            continue
        pair = []
        for each in (font, other):
            wave = play(each, sound, program, [(0.0, 0.8, pitch, 100)], 16_000)[:16_000]
            pair.append(np.fft.rfft(wave - wave.mean(), 2**15))
        energy = [np.mean(np.fft.irfft(spectrum) ** 2) * 2**15 for spectrum in pair]
        if min(energy) > 0:
            correlation = np.fft.irfft(pair[0] * pair[1].conj())
            highest = max(highest, float(np.abs(correlation).max() / np.sqrt(np.prod(energy))))
    return min(highest, 1.0)


def play_every_class(font: Soundfont) -> None:
    """One note of each voice at its highest pitch; for `_probe`, which runs this file."""
    for sound in sound_classes():
        for program, pitch in voices(sound):
            highest = pitch if sound.drum_keys else sound.range[1]
            play(font, sound, program, [(0.0, 0.3, highest, 100)], 16_000)


if __name__ == "__main__":
    play_every_class(Soundfont("probe", Path(sys.argv[1])))
