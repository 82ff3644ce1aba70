"""The commands `mars data pool ...`."""

from typing import Annotated

import typer

from mars_lib import config as configs
from mars_lib.check import between
from mars_lib.cli import options
from mars_lib.cli.train import Csv, Folder, Soundfont, music_of
from mars_lib.data import clip_pool, kept_pools
from mars_lib.data.mixtures import CLIPS
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.io.processes import check_workers, cores
from mars_lib.training import validation
from mars_lib.training.query_bank import QUERY_CLIPS

pool = typer.Typer(
    no_args_is_help=True,
    help="Clips that trainings read from the disk: rendered or decoded once. They are in "
    "MARS_CACHE, or else in ~/.cache/mars_lib.",
)


@pool.command()
def make(
    profile: Annotated[
        str, typer.Option(help="smoke, cpu, gpu or paper: lengths and numbers of clips.")
    ] = "cpu",
    clips: Annotated[
        int | None, typer.Option(help="Of a class to train on, instead of the profile's.", min=1)
    ] = None,
    folder: Folder = None,
    csv: Csv = None,
    soundfont: Soundfont = None,
    limit: Annotated[
        float, typer.Option(help="GB that all pools together may take.")
    ] = clip_pool.LIMIT_GB,
    workers: Annotated[
        int | None, typer.Option(help="Processes that render. By default one a core.")
    ] = None,
) -> None:
    """Make the pools that a training needs, before it starts: mixtures, queries, validation.

    What is there already is left as it is; a training makes what is missing by itself.
    """
    config = configs.profile(profile)
    between("limit", limit, 0.0, 1e6)
    workers = cores() if workers is None else workers
    check_workers(workers)
    options.one_source(folder, csv, soundfont)
    music = music_of(folder, csv, soundfont, config.signal.length)
    pooled = PooledMusic(music, workers, limit)
    count = clips or config.training.clips_per_class
    pooled.ready("train", CLIPS, count)
    pooled.ready("train", QUERY_CLIPS, config.training.queries_per_class)
    pooled.ready("validation", CLIPS, validation.CLIPS_PER_CLASS)
    print(kept_pools.pools_folder())


@pool.command("list")
def list_pools() -> None:
    """List the pools on the disk; those of other versions or sounds are never read again."""
    total = 0.0
    for each in kept_pools.kept():
        about, total = each.about, total + each.gigabytes
        seconds = about.get("length", 0) / (about.get("sample_rate") or 1)
        print(
            f"{each.folder.name}  {each.gigabytes:6.2f} GB  {about.get('stream', 'unfinished')}, "
            f"{about.get('split', '?')}, {about.get('data', '?')}, {seconds:.1f} s a clip"
        )
    print(f"{total:.2f} GB in {kept_pools.pools_folder()}")


@pool.command()
def clear(
    names: Annotated[
        list[str] | None, typer.Argument(help="As `list` names them; without any, all.")
    ] = None,
) -> None:
    """Remove pools; they are made again when they are needed."""
    print(f"{kept_pools.clear(tuple(names or ()))} removed from {kept_pools.pools_folder()}")
