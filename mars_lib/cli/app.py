"""The command `mars`."""

import io
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from mars_lib import check
from mars_lib.check import InputError
from mars_lib.cli import options
from mars_lib.cli.align import align
from mars_lib.cli.data import data
from mars_lib.cli.train import Device, Weights, train
from mars_lib.io import paths

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Query-based sound separation, and how reinforcement learning improves it.",
)
app.add_typer(train, name="train")
app.add_typer(data, name="data")
app.command()(align)

Checkpoint = Annotated[
    Path | None,
    typer.Option(help="A separator checkpoint; without it, mars-sep-small, which ships."),
]


def main() -> None:
    """Run `mars`; errors that a user can mend are one line on stderr and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files may hold what the terminal, or no encoding at all, can show.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    try:
        app()
    except (InputError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


@app.command()
def separate(
    mixture: Annotated[
        Path, typer.Argument(help="A sound file: any rate, any channels, any length.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the estimate goes.")],
    text: Annotated[
        list[str] | None,
        typer.Option(help="What to keep, e.g. violin. Several: one output each, one U-Net pass."),
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="A recording of such a sound.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture of its source.")] = None,
    text_weight: Annotated[float, typer.Option(help="Weight of the text, 0 to 1.")] = 1.0,
    audio_weight: Annotated[float, typer.Option(help="Weight of the audio, 0 to 1.")] = 1.0,
    image_weight: Annotated[float, typer.Option(help="Weight of the image, 0 to 1.")] = 1.0,
    negative_text: Annotated[str | None, typer.Option(help="What to push away.")] = None,
    negative_audio: Annotated[Path | None, typer.Option(help="The same, by sound.")] = None,
    negative_image: Annotated[Path | None, typer.Option(help="The same, by picture.")] = None,
    negative_strength: Annotated[float, typer.Option(help="alpha of the negative query.")] = 0.5,
    checkpoint: Checkpoint = None,
    weights: Weights = None,
    device: Device = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Pick one source out of a mixture: mars separate mix.wav --text violin -o violin.wav"""
    import torch

    from mars_lib.inference import files, system

    targets = files.target_names(output, text or [])
    inputs = [audio, image, negative_audio, negative_image, checkpoint, weights]
    files.check_targets(mixture, targets, inputs)
    strengths = {"text": text_weight, "audio": audio_weight, "image": image_weight}
    loaded = system.load(checkpoint or system.PRETRAINED[0], device, weights)
    queries = [
        loaded.query(
            text=each,
            audio=audio,
            image=image,
            weights=strengths,
            negative_text=negative_text,
            negative_audio=negative_audio,
            negative_image=negative_image,
            negative_strength=negative_strength,
        )
        for each in text or [None]
    ]
    files.separate_file(loaded.separator, mixture, targets, torch.stack(queries), not quiet)
    for target in targets:
        print(target)


@app.command()
def evaluate(
    checkpoint: Checkpoint = None,
    weights: Weights = None,
    split: Annotated[str | None, typer.Option(help="test, the default, or unseen.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Instead: mixtures of class/*.wav of this folder.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Instead: mixtures of the recordings that this prepared CSV lists."),
    ] = None,
    interference: Annotated[
        Path | None, typer.Option(help="With --csv: a list that the second sources are from.")
    ] = None,
    query: Annotated[str, typer.Option(help="text, audio, image or composed.")] = "text",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the table here.")] = None,
    protocol: Annotated[str, typer.Option(help="appendix-c or target-only.")] = "appendix-c",
    limit: Annotated[
        int | None, typer.Option(help="Only the first mixtures of the split.", min=2)
    ] = None,
    mixtures: Annotated[
        int | None,
        typer.Option(help="How many to make from the folder or list, 200 by default.", min=2),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of those mixtures, 0 by default.")] = None,
    device: Device = "auto",
) -> None:
    """Score a checkpoint on a fixed set of mixtures, or on your own, between the mixture and the
    oracle mask.
    """
    from mars_lib.data.manifests import SPLITS
    from mars_lib.evaluation.scoring import PROTOCOLS
    from mars_lib.experiments import evaluate
    from mars_lib.inference import system
    from mars_lib.io import atomic, devices

    if folder is None and csv is None:
        options.unread(
            {"--mixtures": mixtures, "--seed": seed},
            "a split is as it is",
            "give --folder or --csv",
        )
    else:
        options.unread(
            {"--split": split, "--limit": limit},
            "the mixtures are your own",
            "leave out --folder and --csv",
        )
    if csv is None:
        options.unread(
            {"--interference": interference}, "it is a second list beside a first", "give --csv"
        )
    split, seed = split or SPLITS[0], seed or 0
    for name, value, known in (
        ("split", split, SPLITS),
        ("query", query, evaluate.QUERIES),
        ("protocol", protocol, PROTOCOLS),
    ):
        check.one_of(name, value, known)
    check.seed(seed)
    options.one_source(folder, csv)
    for path in (each for each in (csv, interference) if each is not None):
        options.input_file(path)
    per_mixture = _beside(json_file)
    loaded = system.load(checkpoint or system.PRETRAINED[0], devices.choose_device(device), weights)
    given = {"protocol": protocol, "per_mixture": per_mixture}
    if folder or csv:
        result = evaluate.evaluate_folder(
            loaded,
            csv or folder,
            query,
            interference=interference,
            mixtures=mixtures or 200,
            seed=seed,
            **given,
        )
    else:
        result = evaluate.evaluate(loaded, split, query, limit=limit, **given)
    if json_file:
        atomic.write_json(json_file, result)
    # JSON that goes to the screen or into a pipe stays alone there.
    print(
        evaluate.report(result), file=sys.stderr if str(json_file) == "/dev/stdout" else sys.stdout
    )


def _beside(json_file: Path | None) -> Path | None:
    """Where the scores of every mixture go: beside the table, if that is a file. Raises
    `InputError` where one cannot be written.
    """
    if json_file is None:
        return None
    paths.output_file(json_file, "--json")
    if json_file.exists() and not json_file.resolve().is_file():
        return None
    beside = json_file.with_suffix(".mixtures.jsonl")
    paths.output_file(beside, "--json")
    return beside


@app.command()
def benchmark(
    systems: Annotated[
        Path | None,
        typer.Option(help="Folder of SYSTEM-SEED.safetensors; those that ship without it."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for RESULTS.md, data/results.json and two figures.")
    ] = Path("."),
    limit: Annotated[
        int | None, typer.Option(help="Only the first mixtures of each split.", min=2)
    ] = None,
    clap: Annotated[
        Path | None, typer.Option(help="Folder of a CLAP, whose score is then in the tables.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Compare four systems on both splits, asked in every way, and write RESULTS.md."""
    from mars_lib.evaluation.clap import load
    from mars_lib.experiments import compared_systems, results_page
    from mars_lib.experiments.benchmark import run
    from mars_lib.io.devices import choose_device

    paths.output_folder(out)
    found, cases = run(
        compared_systems.load(systems, choose_device(device)), limit, clap=clap and load(clap)
    )
    results_page.write(found, cases, out)


@app.command()
def checkpoints(
    work: Annotated[Path, typer.Option(help="Where training happens.")] = Path("runs/checkpoints"),
    device: Device = "auto",
) -> None:
    """Make every shipped checkpoint again from nothing: about two hours on two cores."""
    from mars_lib.experiments.checkpoints import make_checkpoints
    from mars_lib.training.distributed import alone

    device = options.start_of_training(device, work, option="--work")
    alone("mars checkpoints")
    make_checkpoints(work, device=device)


@app.command()
def course(
    profile: Annotated[str, typer.Option(help="smoke, cpu or gpu.")] = "cpu",
    only: Annotated[str | None, typer.Option(help="Notebooks that begin so, e.g. 00.")] = None,
    out: Annotated[Path, typer.Option(help="Where executed notebooks go.")] = Path("runs/course"),
    force: Annotated[bool, typer.Option("--force", help="Run also what is up to date.")] = False,
) -> None:
    """Run the notebooks headless, and print where to look."""
    from mars_lib.course.notebooks import run_course

    if not run_course(Path("notebooks"), out, profile, only, force):
        raise typer.Exit(1)


@app.command()
def sweep(
    notebook: Annotated[
        Path, typer.Argument(help="Which notebook, e.g. notebooks/05_ppo_training.ipynb.")
    ],
    parameter: Annotated[
        list[str],
        typer.Option("-p", "--parameter", help="NAME=VALUE,VALUE ...; several: every combination."),
    ],
    profile: Annotated[str, typer.Option(help="smoke, cpu or gpu.")] = "cpu",
    out: Annotated[Path, typer.Option(help="Where executed notebooks and the table go.")] = Path(
        "runs/sweep"
    ),
) -> None:
    """Run a notebook for many parameters: mars sweep notebooks/05_ppo_training.ipynb -p
    KAPPA=3,9,27
    """
    from mars_lib.course.sweep import run_sweep

    if not run_sweep(notebook, parameter, out, profile):
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Say what is there and what is missing, with the remedy."""
    from mars_lib.cli.doctor import examine

    findings = examine()
    for finding in findings:
        mark = "ok     " if finding.well else "MISSING" if finding.needed else "without"
        print(f"{mark}  {finding.what}" + ("" if finding.well else f"; {finding.remedy}"))
    if any(finding.needed and not finding.well for finding in findings):
        raise typer.Exit(1)
