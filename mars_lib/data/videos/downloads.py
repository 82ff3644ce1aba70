"""What was downloaded: videos and sound files, the class of each, and lists of what is held out."""

import re
from dataclasses import dataclass
from pathlib import Path

from mars_lib.check import fail
from mars_lib.data.csv_music import read_csv
from mars_lib.data.folders import class_folders
from mars_lib.data.videos.decode import SOUNDS, VIDEOS

TABLE = ("YouTube id", "start second", "label", "train or test")
# A clip of VGGSound: the eleven characters of a YouTube video, and the second at which the clip
# starts.
CLIP = re.compile(r"(.{11})_\d{6}")
NO_TEXT = "has a name that is not UTF-8, which no CSV holds; rename it"


@dataclass(frozen=True)
class Source:
    """A downloaded file.

    Attributes:
        path: of the file.
        name: of what is made of it, under `audio/` and `frames/`.
        label: its class.
        held_out: not to be trained on.
    """

    path: Path
    name: str
    label: str
    held_out: bool = False


def music(folder: str | Path) -> tuple[list[Source], dict[str, str]]:
    """The files `folder/class/*`, and the problem of those that are passed over.

    Raises `InputError` where there are none.
    """
    sources: list[Source] = []
    skipped: dict[str, str] = {}
    for kind in class_folders(folder):
        if not _is_text(kind.name):
            skipped[str(kind)] = NO_TEXT
            continue
        files = _by_stem(kind, skipped)
        sources += [Source(path, f"{kind.name}/{stem}", kind.name) for stem, path in files.items()]
    if not sources:
        remedy = "give a folder of folders of videos, as in violin/w81p5ty4OZc.mp4"
        fail(str(folder), "holds no class/*.mp4", remedy)
    return sources, skipped


def vggsound(folder: str | Path, table: str | Path) -> tuple[list[Source], dict[str, str]]:
    """The files `folder/ID_SSSSSS.mp4` that `table` names, and the problem of all others.

    `table` is vggsound.csv. A file without a row has a problem, and so has a row without a file.

    Raises:
        InputError: for a table that is none, and where no file is named by it.
    """
    if not Path(folder).is_dir():
        fail(str(folder), "is no folder", "give the folder of the videos")
    sources: list[Source] = []
    skipped: dict[str, str] = {}
    files = _by_stem(Path(folder), skipped)
    for place, (youtube, start, label, split) in read_csv(table, TABLE):
        if not start.isdecimal() or split not in ("train", "test"):
            problem = f"has {start!r} as start and {split!r} as split"
            fail(place, problem, "give seconds, and train or test")
        stem = f"{youtube}_{int(start):06d}"
        if stem in files:
            sources.append(Source(files.pop(stem), stem, label, split == "test"))
        else:
            skipped[stem] = "is in the table and not in the folder"
    skipped |= {str(path): "is in the folder and not in the table" for path in files.values()}
    if not sources:
        remedy = "name them ID_SSSSSS.mp4, as in kLyY8uCoYUQ_000030.mp4"
        fail(str(folder), f"holds none of the clips of {table}", remedy)
    return sources, skipped


def video_id(name: str) -> str:
    """The id of the video that a file is of, by its name.

    >>> video_id("kLyY8uCoYUQ_000030.mp4"), video_id("kLyY8uCoYUQ.wav"), video_id("my.garden")
    ('kLyY8uCoYUQ', 'kLyY8uCoYUQ', 'my.garden')
    """
    path = Path(name)
    stem = path.stem if path.suffix.lower() in VIDEOS + SOUNDS else path.name
    clip = CLIP.fullmatch(stem)
    return clip[1] if clip else stem


def read_list(path: str | Path) -> set[str]:
    """The ids of the videos that a list names.

    The list is a CSV of CLIPSep or OmniSep, whose first column is a path, or has one id a line.
    Raises `InputError` for a file that is no text, and for one that names nothing.
    """
    ids = {video_id(row[0].strip()) for _, row in read_csv(path) if row[0].strip()}
    if not ids:
        fail(str(path), "names no video", "give a CSV of CLIPSep or OmniSep, or one id a line")
    return ids


def _by_stem(folder: Path, skipped: dict[str, str]) -> dict[str, Path]:
    """The videos and sound files of a folder by name without suffix.

    Of two with one name the video, or the first, counts; the other is noted in `skipped`.
    """
    found: dict[str, Path] = {}
    paths = [
        p
        for p in folder.iterdir()
        if p.suffix.lower() in VIDEOS + SOUNDS and not p.name.startswith(".")
    ]
    for path in sorted(paths, key=lambda p: (p.suffix.lower() in SOUNDS, p.name)):
        if not path.is_file():
            skipped[str(path)] = "is no file"
        elif not _is_text(path.name):
            skipped[str(path)] = NO_TEXT
        elif found.setdefault(path.stem, path) != path:
            skipped[str(path)] = "has the name of another file beside it, but for the suffix"
    return dict(sorted(found.items()))


def _is_text(name: str) -> bool:
    """Whether the bytes of a file's name are UTF-8; Python holds others as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
