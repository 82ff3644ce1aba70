"""The commands `mars evaluate` and `mars benchmark`."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from mars_lib import check
from mars_lib.cli import options
from mars_lib.cli.separate import Checkpoint
from mars_lib.cli.train import Device, Weights
from mars_lib.data.manifests import SPLITS
from mars_lib.evaluation import clap as clap_score
from mars_lib.evaluation.scoring import PROTOCOLS
from mars_lib.experiments import benchmark as benchmark_of_all
from mars_lib.experiments import compared_systems, results_page
from mars_lib.experiments.evaluate import evaluate as evaluate_split
from mars_lib.experiments.evaluate import evaluate_folder
from mars_lib.experiments.evaluation_report import paired, report
from mars_lib.experiments.kept_scores import keeping
from mars_lib.experiments.query_modes import QUERIES
from mars_lib.inference import system
from mars_lib.io import atomic, devices, paths

Split = Annotated[str | None, typer.Option(help="test, the default, or unseen.")]
Folder = Annotated[
    Path | None, typer.Option(help="Instead: mixtures of class/*.wav of this folder.")
]
Csv = Annotated[
    Path | None,
    typer.Option(help="Instead: mixtures of the recordings that this prepared CSV lists."),
]
Interference = Annotated[
    Path | None, typer.Option(help="With --csv: a list that the second sources are from.")
]
Against = Annotated[
    str | None,
    typer.Option(help="A second checkpoint: the difference from it, paired by mixture, too."),
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the table here.")]
First = Annotated[int | None, typer.Option(help="Only the first mixtures of the split.", min=2)]
Mixtures = Annotated[
    int | None,
    typer.Option(help="How many to make from the folder or list, 200 by default.", min=2),
]
Systems = Annotated[
    Path | None,
    typer.Option(help="Folder of SYSTEM-SEED.safetensors; the pretrained ones without it."),
]
Out = Annotated[
    Path, typer.Option(help="Folder for RESULTS.md, data/results.json and two figures.")
]
Work = Annotated[Path, typer.Option(help="Folder that keeps scores while they are made.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted benchmark.")]
FirstOfEach = Annotated[
    int | None, typer.Option(help="Only the first mixtures of each split.", min=2)
]
ClapFolder = Annotated[
    Path | None, typer.Option(help="Folder of a CLAP, whose score is then in the tables.")
]


def evaluate(
    checkpoint: Checkpoint = None,
    weights: Weights = None,
    split: Split = None,
    folder: Folder = None,
    csv: Csv = None,
    interference: Interference = None,
    query: Annotated[str, typer.Option(help="text, audio, image or composed.")] = "text",
    json_file: JsonFile = None,
    protocol: Annotated[str, typer.Option(help="appendix-c or target-only.")] = "appendix-c",
    limit: First = None,
    mixtures: Mixtures = None,
    seed: Annotated[int | None, typer.Option(help="Of those mixtures, 0 by default.")] = None,
    device: Device = "auto",
    against: Against = None,
) -> None:
    """Score a checkpoint on a fixed set of mixtures, or on your own, between the mixture and the
    oracle mask.
    """
    _check_read(split, limit, folder, csv, interference, mixtures, seed)
    split = SPLITS[0] if split is None else split
    check.one_of("split", split, SPLITS)
    check.one_of("query", query, QUERIES)
    check.one_of("protocol", protocol, PROTOCOLS)
    check.seed(seed or 0)
    options.one_source(folder, csv)
    for path in (each for each in (csv, interference) if each is not None):
        options.input_file(path)
    per_mixture = _beside(json_file)
    where = devices.choose_device(device)
    names = [checkpoint or system.PRETRAINED[0], *([against] if against else [])]
    systems = [system.load(name, where, weights) for name in names]

    def score(each: system.System, per_mixture: Path | None) -> dict:
        if own := csv or folder:
            return evaluate_folder(
                each,
                own,
                query,
                interference=interference,
                mixtures=mixtures or 200,
                seed=seed or 0,
                protocol=protocol,
                per_mixture=per_mixture,
            )
        return evaluate_split(
            each, split, query, limit=limit, protocol=protocol, per_mixture=per_mixture
        )

    if against is None:
        result = score(systems[0], per_mixture)
    else:
        result = _against(systems, score, per_mixture)
    if json_file:
        atomic.write_json(json_file, result)
    # JSON that goes to the screen or into a pipe stays alone there.
    print(report(result), file=sys.stderr if str(json_file) == "/dev/stdout" else sys.stdout)


def _against(
    systems: list[system.System],
    score: Callable[[system.System, Path | None], dict],
    per_mixture: Path | None,
) -> dict:
    """What `score` says of the first of two systems, and its paired difference from the second."""
    with tempfile.TemporaryDirectory() as folder:
        ours, base = per_mixture or Path(folder, "ours"), Path(folder, "base")
        result = score(systems[0], ours)
        score(systems[1], base)
        found = {"system": systems[1].name, **paired(ours, base)}
    return {**result, "per_mixture": str(per_mixture) if per_mixture else None, "against": found}


def _check_read(
    split: str | None,
    limit: int | None,
    folder: Path | None,
    csv: Path | None,
    interference: Path | None,
    mixtures: int | None,
    seed: int | None,
) -> None:
    """Raise `InputError` for an option that would not be read."""
    given: dict[str, object]
    if folder is None and csv is None:
        given = {"--mixtures": mixtures, "--seed": seed}
        options.unread(given, "a split is as it is", "give --folder or --csv")
    else:
        given = {"--split": split, "--limit": limit}
        options.unread(given, "the mixtures are your own", "leave out --folder and --csv")
    if csv is None:
        given = {"--interference": interference}
        options.unread(given, "it is a second list beside a first", "give --csv")


def _beside(json_file: Path | None) -> Path | None:
    """Where the scores of every mixture go: beside the table, if that is a file.

    Raises `InputError` where one cannot be written.
    """
    if json_file is None:
        return None
    paths.output_file(json_file, "--json")
    if json_file.exists() and not json_file.resolve().is_file():
        return None
    beside = json_file.with_suffix(".mixtures.jsonl")
    paths.output_file(beside, "--json")
    return beside


def benchmark(
    systems: Systems = None,
    out: Out = Path("."),
    limit: FirstOfEach = None,
    clap: ClapFolder = None,
    device: Device = "auto",
    work: Work = Path("runs/benchmark"),
    resume: Resume = False,
) -> None:
    """Compare four systems on both splits, by every kind of query, and write RESULTS.md."""
    paths.output_folder(out)
    paths.output_folder(work, "--work")
    compared = compared_systems.load(systems, devices.choose_device(device))
    similar = clap_score.load(clap) if clap else None
    with keeping(work, benchmark_of_all.identity_of(compared, limit, similar), resume) as kept:
        results, examples = benchmark_of_all.run(compared, limit, clap=similar, kept=kept)
        results_page.write(results, examples, out)
