"""From downloaded videos to the CSV layout that CLIPSep and OmniSep share.

A row is `audio path, frames folder, number of frames, label`, without a header. Sound is WAV, mono,
16 bit, 16 kHz; frames are one a second, `000001.jpg` onwards, 224 x 224. Paths are relative to the
folder of the CSV.
"""

import csv
import shutil
import wave
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from tqdm.std import tqdm

from mars_lib import check
from mars_lib.check import InputError
from mars_lib.data.mini_music import level
from mars_lib.data.videos import decode
from mars_lib.data.videos.decode import RATE, SOUNDS
from mars_lib.data.videos.downloads import Source, read_list, video_id
from mars_lib.io import atomic
from mars_lib.io.processes import mapped


@dataclass(frozen=True)
class Outcome:
    """What became of a source.

    Attributes:
        frames: how many pictures it has.
        made: whether it was made just now.
        problem: why there is none; empty where there is.
    """

    frames: int = 0
    made: bool = False
    problem: str = ""


@dataclass
class Report:
    """What a run did.

    Attributes:
        made: how many files were made.
        kept: how many were there already.
        skipped: the problem of each file that was skipped.
        csv: of every CSV the number of `rows` and `classes` and what its list names beyond,
            `missing`.
    """

    made: int = 0
    kept: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    csv: dict[str, dict] = field(default_factory=dict)

    def table(self) -> str:
        """The report for reading, problems by how often they occur."""
        lines = [f"{self.made} made, {self.kept} there already, {len(self.skipped)} skipped"]
        lines += [
            f"{n:8}  {problem}" for problem, n in Counter(self.skipped.values()).most_common()
        ]
        for name, holds in self.csv.items():
            beyond = f", {len(holds['missing'])} of its list missing" if holds["missing"] else ""
            lines.append(f"{name}.csv: {holds['rows']} rows, {holds['classes']} classes{beyond}")
        return "\n".join(lines)


def prepare(
    found: tuple[list[Source], dict[str, str]],
    out: str | Path,
    lists: dict[str, str | Path],
    *,
    shortest: float,
    workers: int = 1,
    progress: bool = True,
) -> Report:
    """Make what is missing in `out`, and write its CSVs and `report.json`.

    Interrupted, it leaves whole files, and goes on from there when called again.

    Args:
        found: sources and problems, from `downloads`.
        out: the folder of the data set.
        lists: the name of a CSV -> a file that says which videos it holds; none of them is trained
            on. Without a list "test" holds what vggsound.csv says or, where nothing says it, a
            tenth of the videos, "val" another tenth, by a hash of the video's id.
        shortest: recordings of fewer seconds or frames are skipped.
        workers: processes that decode.
        progress: whether to show a bar.

    Raises:
        InputError: for a wrong list, and where `out` cannot be written.
    """
    decode.pyav()  # missing, it would be the problem of every file
    check.between("shortest", shortest, 0.1, 3600)
    out, (sources, skipped) = Path(out), found
    wanted = {name: read_list(path) for name, path in lists.items()}
    one = partial(prepare_one, out=out, shortest=shortest)
    made = mapped(one, sources, workers)
    bar = tqdm(made, "preparing", len(sources), unit="file", disable=not progress)
    outcomes = list(bar)
    report = Report(skipped=dict(skipped))
    rows: dict[str, list] = {name: [] for name in ("train", "val", "test", *wanted)}
    drawn = (
        {"val", "test"} - set(wanted) - ({"test"} if any(s.held_out for s in sources) else set())
    )
    for source, outcome in zip(sources, outcomes):
        report.made += outcome.made
        report.kept += not (outcome.made or outcome.problem)
        if outcome.problem:
            report.skipped[str(source.path)] = outcome.problem
            continue
        for name in _splits(source, wanted, drawn):
            rows[name].append(
                (f"audio/{source.name}.wav", f"frames/{source.name}", outcome.frames, source.label)
            )
    for name, lines in rows.items():
        _write_csv(out / f"{name}.csv", lines)
        there = {video_id(Path(audio).name) for audio, *_ in lines}
        report.csv[name] = {
            "rows": len(lines),
            "classes": len({label for *_, label in lines}),
            "missing": sorted(wanted.get(name, set()) - there),
        }
    atomic.write_json(out / "report.json", asdict(report))
    return report


def prepare_one(source: Source, out: Path, shortest: float) -> Outcome:
    """Decode a source into `out`, unless that was done before.

    The WAV comes last: where it is, the frames are.
    """
    audio, frames = out / "audio" / f"{source.name}.wav", out / "frames" / source.name
    sound_alone = source.path.suffix.lower() in SOUNDS
    short = Outcome(
        problem=f"has less than {shortest:g} s of sound or pictures; lower --shortest to have it"
    )
    count = _frames(frames)
    if audio.is_file() and (count or sound_alone):
        seconds = (audio.stat().st_size - 44) / (2 * RATE)
        return (
            short if min(seconds, seconds if sound_alone else count) < shortest else Outcome(count)
        )
    try:
        recording = decode.read(source.path)
    except InputError as error:
        return Outcome(problem=str(error).removeprefix(f"{source.path}: "))
    count = len(recording.pictures)
    if min(recording.seconds, recording.seconds if sound_alone else count) < shortest:
        return short
    if not level(recording.samples / np.float32(2**15)).any():
        return Outcome(problem="holds only silence; leave it out")
    _write(recording, audio, frames)
    return Outcome(count, made=True)


def _splits(source: Source, wanted: dict[str, set[str]], drawn: set[str]) -> list[str]:
    """The CSVs that a source belongs into: those of the lists that name it, or else one."""
    video_of = video_id(source.path.name)
    named = [name for name, ids in wanted.items() if video_of in ids]
    if named:
        return named
    if source.held_out:
        return [] if "test" in wanted else ["test"]
    share = {8: "val", 9: "test"}.get(zlib.crc32(video_of.encode()) % 10, "train")
    return [share if share in drawn else "train"]


def _frames(folder: Path) -> int:
    """How many frames a folder holds; 0 where one is missing."""
    names = {path.name for path in folder.glob("*.jpg")}
    return len(names) if names == {f"{k:06d}.jpg" for k in range(1, len(names) + 1)} else 0


def _write(recording: decode.Recording, audio: Path, frames: Path) -> None:
    """Write the frames, then the sound."""
    # Whatever happens from here on, a WAV must not stand beside half of its frames.
    audio.unlink(missing_ok=True)
    shutil.rmtree(frames, ignore_errors=True)
    try:
        for number, picture in enumerate(recording.pictures, 1):
            with atomic.writing(frames / f"{number:06d}.jpg") as temporary:
                temporary.write_bytes(picture)
        # By Python's own writer: where the disk is full, libsndfile would not say so.
        with atomic.writing(audio) as temporary, wave.open(str(temporary), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
            file.writeframes(recording.samples.tobytes())
    except BaseException:
        shutil.rmtree(frames, ignore_errors=True)
        raise


def _write_csv(path: Path, rows: Iterable[tuple[str, str, int, str]]) -> None:
    """One row a line, whole or not at all."""
    with (
        atomic.writing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows(rows)
