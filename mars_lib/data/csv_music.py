"""MUSIC, VGGSound or videos of one's own, in the CSV layout of CLIPSep and OmniSep."""

import csv
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from mars_lib.check import InputError, fail, finite
from mars_lib.data.fingerprint import content, contents, digest
from mars_lib.data.mini_music import clip_rng, level, manifest_key
from mars_lib.data.random_streams import Stream
from mars_lib.data.recorded_music import RecordedClass, RecordedMusic, serving
from mars_lib.waveform import mono

COLUMNS = ("audio path", "frames folder", "number of frames", "label")
SPLITS = {"train": "train", "validation": "val", "test": "test"}
# Pictures of a class, spread evenly over its frames: every query bank holds all of them in memory.
PICTURES = 64
# Stretches that may be silent in a row before a class counts as silent.
TRIES = 100


@dataclass(frozen=True)
class Row:
    """One recording: its sound, the folder of its frames, how many these are, and what sounds.

    Frames are `000001.jpg` onwards.
    """

    audio: Path
    frames: Path
    count: int
    label: str


@dataclass(frozen=True)
class CsvMusic(RecordedMusic):
    """The recordings that `train.csv`, `val.csv` and `test.csv` in a folder list.

    Labels are class names and, with spaces for underscores, text queries. The split "unseen" does
    not exist here. Recordings that serve a stream come in a shuffled order of its own, each once
    before any comes again; only the stretch that is used is read. Silent stretches are passed over,
    and so, with a warning, are files that cannot be read; 100 of them in a row are an error. A
    class has at most 64 pictures, frames spread evenly over its recordings in the split.
    """

    def _find_classes(self, split: str) -> list[RecordedClass]:
        if split not in SPLITS:
            problem = f"is {split!r}, which prepared videos do not have"
            fail("split", problem, f"give one of {', '.join(SPLITS)}")
        path = Path(self.folder) / f"{SPLITS[split]}.csv"
        found = listed_classes(path)
        if len(found) < 2:
            problem = f"has recordings of {len(found)} classes"
            fail(str(path), problem, "give at least two; lists say what it holds (data/README.md)")
        return found

    def _draw(
        self, split: str, sound: RecordedClass, index: int, stream: Stream | None
    ) -> tuple[np.ndarray, Path]:
        rng = clip_rng(split, sound.name, index, stream)
        key = manifest_key(split, sound.name) if stream is None else stream.key(split, sound.name)
        files = serving(split, sound.sounds, stream)
        for number in range(index, index + TRIES):
            path = files[shuffled(number, len(files), key)]
            try:
                stretch = self._stretch(path, rng)
            except InputError as error:
                warnings.warn(f"left out: {error}", stacklevel=3)
                continue
            clip = level(stretch)
            if clip.any():
                return clip, path
        problem = f"gave no sound in {TRIES} tries"
        fail(f"class {sound.name!r}", problem, "look at its files, and prepare them again")

    def fingerprint(self) -> str:
        """Digest of lists, sounds and pictures in use by content, length, rate."""
        said = []
        for split, name in SPLITS.items():
            path = Path(self.folder) / f"{name}.csv"
            if path.is_file():
                rows = read_rows(path)
                pictures = [each for same in _by_name(rows).values() for each in _pool(same)]
                files = contents(self.folder, [*(row.audio for row in rows), *pictures])
                said.append((split, content(path, whole=True), files))
        return digest(type(self).__name__, said, (self.length, self.sample_rate))

    def _stretch(self, path: Path, rng: np.random.Generator) -> np.ndarray:
        """A random stretch of a file in mono, repeated where the file is shorter: (L,) float32."""
        try:
            with soundfile.SoundFile(os.fsencode(path)) as file:
                rate = file.samplerate
                file.seek(int(rng.integers(max(1, file.frames - self.length + 1))))
                samples = file.read(self.length, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            fail(str(path), f"cannot be read as sound ({error})", "remove it and prepare it again")
        if rate != self.sample_rate:
            problem = f"has {rate} Hz, not {self.sample_rate}"
            fail(str(path), problem, "prepare it with `mars data prepare-music`")
        if not len(samples):
            fail(str(path), "holds no samples", "remove it and prepare it again")
        finite(str(path), torch.from_numpy(samples))
        return np.resize(mono(torch.from_numpy(samples.T)).numpy(), self.length)


def shuffled(index: int, count: int, key: int) -> int:
    """Which of `count` things comes at place `index`.

    In every run of `count` places each comes once, in an order of its own. A function of its
    arguments alone, so that a shuffled order can be taken up anywhere.

    >>> sorted(shuffled(index, 5, key=7) for index in range(10, 15))
    [0, 1, 2, 3, 4]
    """
    epoch, place = divmod(index, count)
    return int(np.random.default_rng([key, epoch, count]).permutation(count)[place])


def read_csv(path: str | Path, columns: tuple[str, ...] = ()) -> list[tuple[str, list[str]]]:
    """The rows of a CSV file that are not empty, each after its place, "FILE, line 3".

    Raises:
        InputError: where the file is not there or is no CSV, and, with `columns`, where a row has
            another number of them.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(f"{path}, line {reader.line_num}", row) for row in reader if row]
    except OSError as error:
        remedy = "`mars data prepare-music` and `prepare-vggsound` make CSVs"
        fail(str(path), f"cannot be read ({error.strerror})", remedy)
    except (UnicodeDecodeError, csv.Error) as error:
        remedy = "give rows of text, with commas between columns"
        fail(str(path), f"is no CSV file ({error})", remedy)
    for place, row in rows if columns else ():
        if len(row) != len(columns):
            quote = (
                ", with quotes around a label that holds a comma" if len(row) > len(columns) else ""
            )
            fail(place, f"has {len(row)} columns", f"give {', '.join(columns)}{quote}")
    return rows


def read_rows(path: str | Path) -> list[Row]:
    """The recordings of a CSV in the layout of CLIPSep and OmniSep.

    Relative paths are from the CSV's folder.

    Raises:
        InputError: as `read_csv` does, and for a number of frames that is none and an empty label.
    """
    rows, folder = [], Path(path).parent
    for place, (audio, frames, count, label) in read_csv(path, COLUMNS):
        if not count.strip().isdecimal():
            problem = f"has {count!r} as the number of frames"
            fail(place, problem, "give a number; there is no header")
        if not label.strip():
            fail(place, "has an empty label", "say what sounds")
        rows.append(Row(folder / audio, folder / frames, int(count), label.strip()))
    return rows


def listed_classes(path: str | Path) -> list[RecordedClass]:
    """The classes of a CSV by name, each with its sounds and at most 64 of its frames.

    What is named and not there is left out, with a warning.

    Raises:
        InputError: as `read_rows` does, and where no sound is there.
    """
    path = Path(path)
    return _grouped(path, _present(path, read_rows(path)))


def _present(path: Path, rows: list[Row]) -> list[Row]:
    """The rows whose sound is there; raises `InputError` where none is."""
    found = [row for row in rows if row.audio.is_file()]
    lost = [row.audio for row in rows if not row.audio.is_file()]
    if lost and not found:
        problem = f"names {len(lost)} sounds, none of which is there, the first {lost[0]}"
        fail(str(path), problem, "correct its paths")
    if lost:
        warnings.warn(
            f"{path}: left out, not there: {len(lost)} of {len(rows)} sounds, the first {lost[0]}",
            stacklevel=4,
        )
    return found


def _grouped(path: Path, rows: list[Row]) -> list[RecordedClass]:
    """Classes by name, each with its sounds and its pool of pictures."""
    by_name = _by_name(rows)
    classes: list[RecordedClass] = []
    lost: list[Path] = []
    for name in sorted(by_name):
        pool = _pool(by_name[name])
        there = tuple(picture for picture in pool if picture.is_file())
        lost += sorted(set(pool) - set(there))
        sounds = tuple(dict.fromkeys(row.audio for row in by_name[name]))
        classes.append(RecordedClass(name, sounds, there))
    if lost:
        warnings.warn(
            f"{path}: left out, not there: {len(lost)} pictures, the first {lost[0]}", stacklevel=4
        )
    return classes


def _by_name(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows of each class; its name is the label with spaces for underscores."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.label.replace("_", " "), []).append(row)
    return found


def _pool(rows: list[Row]) -> list[Path]:
    """At most 64 frames of some recordings, spread evenly over all of theirs."""
    ends = np.cumsum([row.count for row in rows])
    picks = np.linspace(0, ends[-1] - 1, min(PICTURES, ends[-1])).astype(int)
    owners = np.searchsorted(ends, picks, side="right")
    return [
        rows[i].frames / f"{rows[i].count - (ends[i] - pick) + 1:06d}.jpg"
        for i, pick in zip(owners, picks)
    ]
