"""The command `mars`."""

import io
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from mars_lib.check import told
from mars_lib.cli import options
from mars_lib.cli.align import align
from mars_lib.cli.data import data
from mars_lib.cli.doctor import examine
from mars_lib.cli.evaluation_commands import benchmark, evaluate
from mars_lib.cli.pool import pool
from mars_lib.cli.separate import separate
from mars_lib.cli.train import Device, train
from mars_lib.course.address import write_address
from mars_lib.course.notebooks import run_course
from mars_lib.course.pages import make_site
from mars_lib.course.student import write_student_copies
from mars_lib.course.sweep import run_sweep
from mars_lib.experiments.checkpoints import PARTS, make_checkpoints
from mars_lib.training.distributed import alone

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Query-based sound separation, and how reinforcement learning improves it.",
)
app.add_typer(train, name="train")
app.add_typer(data, name="data")
data.add_typer(pool, name="pool")
for command in (align, separate, evaluate, benchmark):
    app.command()(command)

Profile = Annotated[str, typer.Option(help="smoke, cpu or gpu.")]
Only = Annotated[str | None, typer.Option(help="Notebooks that begin so, e.g. 00.")]
Parts = Annotated[
    str | None,
    typer.Option(
        "--only", help=f"PART[,PART...] in place of all: {', '.join(PARTS)}.", metavar="PARTS"
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Run also what is up to date.")]
Notebook = Annotated[
    Path, typer.Argument(help="Which notebook, e.g. notebooks/06_ppo_training.ipynb.")
]
Parameters = Annotated[
    list[str],
    typer.Option("-p", "--parameter", help="NAME=VALUE,VALUE ...; several: every combination."),
]
Executed = Annotated[Path, typer.Option(help="Where executed notebooks go.")]
Table = Annotated[Path, typer.Option(help="Where executed notebooks and the table go.")]


def main() -> None:
    """Run `mars`; errors that a user can mend are one line on stderr and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files may hold what the terminal, or no encoding at all, can show.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    with told():
        app()


@app.command()
def checkpoints(
    work: Annotated[Path, typer.Option(help="Where training happens.")] = Path("runs/checkpoints"),
    only: Parts = None,
    device: Device = "auto",
) -> None:
    """Make every pretrained checkpoint again from nothing: most of a day on two cores.

    With --only a part, from what is in the package of the others. Parts that are finished or begun
    in the folder of --work go on there.
    """
    device = options.start_of_training(device, work, option="--work")
    alone("mars checkpoints")
    named = () if only is None else tuple(part.strip() for part in only.split(","))
    make_checkpoints(work, device=device, only=named)


@app.command()
def course(
    profile: Profile = "cpu",
    only: Only = None,
    out: Executed = Path("runs/course"),
    force: Force = False,
    student: Annotated[
        Path | None,
        typer.Option(help="Run nothing: write copies without solutions and outputs there."),
    ] = None,
) -> None:
    """Run the notebooks headless, and print where to look."""
    if student is not None:
        count = len(write_student_copies(Path("notebooks"), student))
        print(f"{count} notebooks without solutions in {student}")
        return
    if not run_course(Path("notebooks"), out, profile, only, force):
        raise typer.Exit(1)


@app.command()
def sweep(
    notebook: Notebook,
    parameter: Parameters,
    profile: Profile = "cpu",
    out: Table = Path("runs/sweep"),
) -> None:
    """Run a notebook for many parameters: mars sweep notebooks/06_ppo_training.ipynb -p
    KAPPA=3,9,27
    """
    if not run_sweep(notebook, parameter, out, profile):
        raise typer.Exit(1)


@app.command()
def site(
    out: Annotated[Path, typer.Argument(help="Where the pages go.")] = Path("runs/site"),
) -> None:
    """Write the executed notebooks and all texts as HTML pages that need no network."""
    print(f"{len(make_site(Path(), out))} pages, first {out / 'index.html'}")


@app.command()
def address(
    url: Annotated[str, typer.Argument(help="As `git clone` takes it; '' for none.")],
) -> None:
    """Write the repository's address into the notebooks' set-up cells, and badges of Colab."""
    written = write_address(url, Path())
    print(f"{len(written)} files written: the notebooks and README.md")


@app.command()
def doctor() -> None:
    """Say what is there and what is missing, with the remedy."""
    findings = examine()
    for finding in findings:
        mark = "ok     " if finding.well else "MISSING" if finding.needed else "without"
        print(f"{mark}  {finding.what}" + ("" if finding.well else f"; {finding.remedy}"))
    if any(finding.needed and not finding.well for finding in findings):
        raise typer.Exit(1)
