"""Clips of mini-MUSIC, rendered on demand by class, split and index, never read from a file."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mars_lib.check import fail
from mars_lib.data.fingerprint import content, contents, digest
from mars_lib.data.pictures import drawings
from mars_lib.data.random_streams import Stream
from mars_lib.data.synthesis import soundfonts
from mars_lib.data.synthesis.classes import SoundClass, sound_classes
from mars_lib.data.synthesis.phrases import phrase
from mars_lib.data.synthesis.soundfonts import Soundfont
from mars_lib.io import assets

SPLITS = ("train", "validation", "test", "unseen")
# Raise it when phrases or player change what a clip sounds like.
RENDERER = 1
LEVEL = 0.1  # RMS of a clip where it sounds


@dataclass(frozen=True)
class MiniMusic:
    """The embedded data set, rendered from soundfonts.

    Splits differ by phrase seed; `unseen` differs by soundfont as well, and leaves out what that
    font shares with a training font. Of a further training font what it shares with the unseen one
    is left out, so that `unseen` stays what it is. Clips have an RMS of 0.1 where they sound.

    Args:
        fonts: those for train, validation and test, and others for `unseen`.
        length: L, samples of a clip.
        sample_rate: in Hz.
    """

    fonts: tuple[Soundfont, ...]
    length: int
    sample_rate: int = 16_000

    def sources(self, split: str, sound: SoundClass) -> list[tuple[Soundfont, tuple[int, ...]]]:
        """The soundfonts that a class is rendered from in a split.

        Each comes with the programs (or drum keys) that play the class there.
        """
        roles = {
            role: tuple(font for font in self.fonts if font.role == role)
            for role in ("training", "further", "unseen")
        }
        if split == "unseen":
            rows = [
                (font, soundfonts.unshared(font, roles["training"], sound))
                for font in roles["unseen"]
            ]
        else:
            rows = [(font, soundfonts.audible(font, sound)) for font in roles["training"]]
            rows += [
                (font, soundfonts.unshared(font, roles["unseen"], sound))
                for font in roles["further"]
            ]
        return [row for row in rows if row[1]]

    def classes(self, split: str) -> list[SoundClass]:
        """The classes of a split, in the order of the class list.

        Raises `InputError` for an unknown split, and where no soundfont plays any.
        """
        if split not in SPLITS:
            fail("split", f"is {split!r}", f"give one of {', '.join(SPLITS)}")
        kept = [sound for sound in sound_classes() if self.sources(split, sound)]
        if not kept:
            fail(f"split {split!r}", "has no soundfont", "run `mars doctor` to see what is missing")
        return kept

    def pictures(self, sound: SoundClass, split: str) -> list[Path]:
        """Our drawings of a class; those for "test" and "unseen" are held out from training."""
        return drawings(sound, split)

    def clip(
        self, split: str, sound: SoundClass, index: int, stream: Stream | None = None
    ) -> np.ndarray:
        """Clip number `index` of a class in a split: (L,) float32. The same numbers, the same clip.

        Every `stream` has clips of its own; without one they are those that manifests name.
        """
        rng = clip_rng(split, sound.name, index, stream)
        sources = self.sources(split, sound)
        # A phrase may leave the segment silent (a rest, a soft sample): draw again.
        for _ in range(20):
            wave = level(self._render(*sources[rng.integers(len(sources))], sound, rng))
            if wave.any():
                return wave
        fail(f"clip {sound.name}/{index}", "cannot be rendered", "run `mars doctor`")

    def recording(
        self, split: str, sound: SoundClass, index: int, stream: Stream | None = None
    ) -> str:
        """The recording that a clip is cut from: here every clip is one of its own."""
        return str(index)

    def fingerprint(self) -> str:
        """Digest of all that clips and pictures are made from.

        Fonts by content, classes, drawings, length, rate.
        """
        fonts = [(font.role, _font_content(font.path)) for font in self.fonts]
        folder = assets.folder()
        shown = contents(folder, [folder / "classes.json", *folder.glob("images/*/*.png")])
        sizes = (self.length, self.sample_rate)
        return digest(type(self).__name__, RENDERER, fonts, shown, sizes)

    def _render(
        self, font: Soundfont, keys: tuple[int, ...], sound: SoundClass, rng: np.random.Generator
    ) -> np.ndarray:
        """A random phrase of a class, played by one of `keys`: (L,) float32, any level."""
        seconds = self.length / self.sample_rate
        skip = rng.uniform(0, 0.5)
        notes = phrase(sound, keys, rng, seconds + skip)
        program = 0 if sound.drum_keys else keys[rng.integers(len(keys))]
        wave = soundfonts.play(font, sound, program, notes, seconds + skip, self.sample_rate)
        return wave[-self.length :]


def _font_content(path: Path) -> object:
    """The content of a bank, or of all patches of a folder."""
    if path.is_dir():
        return contents(path, path.glob("*/*.pat"))
    return content(path, whole=True)


def clip_rng(split: str, name: str, index: int, stream: Stream | None) -> np.random.Generator:
    """The random numbers of clip `index` of class `name`; a manifest's without a `stream`."""
    if stream is None:
        return np.random.default_rng([manifest_key(split, name), index])
    return stream.rng(split, name, index)


def manifest_key(split: str, name: str) -> int:
    """The 32 bits that seed a class's clips in manifests."""
    return zlib.crc32(f"{split}/{name}".encode("utf-8", "surrogateescape"))


def level(wave: np.ndarray, target: float = LEVEL) -> np.ndarray:
    """Scale (L,) to an RMS of `target` over the frames that sound: float32.

    Frames last 32 ms, and one sounds within 30 dB of the loudest. Silence, and samples that are not
    finite, become zeros.
    """
    frames = wave[: len(wave) // 512 * 512].reshape(-1, 512)
    energy = np.mean(frames.astype(np.float64) ** 2, axis=1)
    if not np.isfinite(energy).all() or energy.max() < soundfonts.SILENT**2:
        return np.zeros_like(wave, dtype=np.float32)
    loud = energy[energy > 1e-3 * energy.max()]
    return (wave * (target / np.sqrt(loud.mean()))).astype(np.float32)
