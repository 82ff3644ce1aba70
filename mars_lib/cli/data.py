"""The commands `mars data ...`."""

from pathlib import Path
from typing import Annotated

import typer

from mars_lib import check
from mars_lib.check import fail
from mars_lib.cli.soundfont_commands import pack, unpack
from mars_lib.data.mini_music import SPLITS, MiniMusic
from mars_lib.data.synthesis import soundfonts
from mars_lib.data.videos import downloads
from mars_lib.data.videos import prepare as preparing
from mars_lib.data.videos.downloads import Source
from mars_lib.encoders import imagebind
from mars_lib.io import paths, published_weights
from mars_lib.io.processes import cores

data = typer.Typer(
    no_args_is_help=True, help="The embedded data set, mini-MUSIC, and videos of your own."
)
for command in (pack, unpack):
    data.command()(command)

Out = Annotated[Path, typer.Option(help="Folder for audio/, frames/, the CSVs and report.json.")]
TestList = Annotated[
    Path | None,
    typer.Option(
        help="What goes into test.csv: a CSV of CLIPSep or OmniSep, or one video id a line."
    ),
]
ValList = Annotated[
    Path | None,
    typer.Option(help="The same for val.csv; without it, a tenth by a hash of the id."),
]
BenchmarkList = Annotated[
    list[Path] | None,
    typer.Option(
        "--list",
        help="A further list, not trained on, for a CSV of its name, e.g. test-good.csv. "
        "Several are allowed.",
    ),
]
Workers = Annotated[int, typer.Option(help="Processes.", min=1)]
PROCESSORS = cores()


@data.command()
def prepare() -> None:
    """Check the soundfonts and say what each split holds.

    Clips are rendered on demand: nothing is stored.
    """
    fonts = tuple(soundfonts.find())
    for font in fonts:
        silent = soundfonts.missing_classes(font)
        left_out = f"; silent there and left out: {', '.join(silent)}" if silent else ""
        print(f"{font.name} ({font.role}){left_out}")
    music = MiniMusic(fonts, 32_767)
    for split in SPLITS:
        print(f"{split}: {len(music.classes(split))} classes")
    shared = {s.name for s in music.classes("test")} - {s.name for s in music.classes("unseen")}
    print(f"not in unseen (the same recordings as in a training font): {', '.join(sorted(shared))}")


@data.command()
def fetch_imagebind(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Where the weights go; 4.8 GB, and as much again when they are first used."
        ),
    ],
) -> None:
    """Fetch the published weights of ImageBind, CC-BY-NC 4.0: not for commercial use.

    Resumes, and checks what it fetched.
    """
    paths.output_folder(folder, "folder")
    print(published_weights.download(imagebind.PUBLISHED, folder))


@data.command()
def prepare_music(
    folder: Annotated[Path, typer.Argument(help="Folder of the videos or sounds: CLASS/ID.mp4.")],
    out: Out,
    test_list: TestList = None,
    val_list: ValList = None,
    benchmark_list: BenchmarkList = None,
    shortest: Annotated[float, typer.Option(help="Skip what has fewer seconds or frames.")] = 6.0,
    workers: Workers = PROCESSORS,
) -> None:
    """Turn MUSIC, or any videos in folders by class, into 16 kHz WAV, a frame a second, and CSVs.

    What is made already is left as it is: run it again after Ctrl-C, or after another download.
    Without --test-list a tenth of the videos goes into test.csv, by a hash of the id.
    """
    lists = _lists(out, test_list, val_list, benchmark_list, shortest)
    _prepare(downloads.music(folder), out, lists, shortest, workers)


@data.command()
def prepare_vggsound(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the clips: ID_SSSSSS.mp4, the second with six digits.")
    ],
    out: Out,
    table: Annotated[
        Path, typer.Option(help="vggsound.csv: id, start second, label, train or test.")
    ],
    test_list: TestList = None,
    val_list: ValList = None,
    benchmark_list: BenchmarkList = None,
    shortest: Annotated[float, typer.Option(help="Skip what has fewer seconds or frames.")] = 9.0,
    workers: Workers = PROCESSORS,
) -> None:
    """Turn VGGSound into 16 kHz WAV, a frame a second, and CSVs.

    What is made already is left as it is: run it again after Ctrl-C, or after another download.
    Without --test-list test.csv holds what the table says.
    """
    lists = _lists(out, test_list, val_list, benchmark_list, shortest)
    _prepare(downloads.vggsound(folder, table), out, lists, shortest, workers)


def _lists(
    out: Path,
    test_list: Path | None,
    val_list: Path | None,
    benchmark_lists: list[Path] | None,
    shortest: float,
) -> dict[str, str | Path]:
    """Check the options before any file is looked at.

    Returns:
        {name of a CSV: the list that says what it holds}.
    """
    check.between("shortest", shortest, 0.1, 3600)
    paths.output_folder(out)
    lists: dict[str, str | Path] = {}
    for path in benchmark_lists or ():
        if path.stem in ("train", "val", "test"):
            remedy = "give it as --test-list or --val-list, or rename it"
            fail(str(path), f"would be {path.stem}.csv", remedy)
        if lists.setdefault(path.stem, path) is not path:
            problem = f"would be {path.stem}.csv, and so would {lists[path.stem]}"
            fail(str(path), problem, "rename one of them")
    for name, own in (("test", test_list), ("val", val_list)):
        if own is not None:
            lists[name] = own
    return lists


def _prepare(
    found: tuple[list[Source], dict[str, str]],
    out: Path,
    lists: dict[str, str | Path],
    shortest: float,
    workers: int,
) -> None:
    report = preparing.prepare(found, out, lists, shortest=shortest, workers=workers)
    print(report.table())
    print(f"every file and its problem: {out / 'report.json'}")
