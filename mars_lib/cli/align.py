"""The command `mars align`."""

from pathlib import Path
from typing import Annotated

import typer

from mars_lib import alignment
from mars_lib.alignment.stages import MARGINAL
from mars_lib.check import fail
from mars_lib.cli import options
from mars_lib.cli.train import (
    Csv,
    Device,
    EncoderName,
    Folder,
    Resume,
    Soundfont,
    Weights,
    given,
    music_of,
)
from mars_lib.data import manifests
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.inference import pretrained
from mars_lib.io import atomic
from mars_lib.training import run_folder
from mars_lib.training.distributed import alone

Out = Annotated[Path, typer.Option(help="Folder for heads, logs and trunk features.")]
Stages = Annotated[
    list[str] | None,
    typer.Option(help="stage1, stage2, stage3 or one-stage; the three in a row without it."),
]
Start = Annotated[
    Path | None, typer.Option(help="Heads to start from; the pretrained ones without it.")
]
Steps = Annotated[int | None, typer.Option(help="At most, in each stage.")]
BatchSize = Annotated[int | None, typer.Option(help="Classes a step.")]
LearningRate = Annotated[float | None, typer.Option(help="AdamW's.")]
Margin = Annotated[float | None, typer.Option(help="m of Eq. 8 and 9.")]
Hard = Annotated[
    float | None,
    typer.Option(
        help="Share of the triplets of sounds that are anchor, cleaner and more contaminated; 0 is "
        "the paper."
    ),
]
Clips = Annotated[int, typer.Option(help="Clips of each class.", min=1)]
Variants = Annotated[int, typer.Option(help="Variants of each clip, all but one augmented.", min=1)]
Seed = Annotated[int, typer.Option(help="For everything random.")]
Measure = Annotated[
    bool | None,
    typer.Option(
        "--measure/--no-measure",
        help="Probe and retrieval on test and unseen, to OUT/measures.json; "
        "the default for mini-MUSIC.",
    ),
]


def align(
    out: Out = Path("runs/align"),
    encoder_name: EncoderName = "minibind2",
    weights: Weights = None,
    stage: Stages = None,
    start: Start = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    margin: Margin = None,
    hard_negatives: Hard = None,
    clips: Clips = 32,
    variants: Variants = 3,
    seed: Seed = 0,
    folder: Folder = None,
    csv: Csv = None,
    soundfont: Soundfont = None,
    measure: Measure = None,
    device: Device = "auto",
    resume: Resume = False,
) -> None:
    """Three-stage alignment of the encoder's heads (Section 3.3)."""
    device = options.start_of_training(device, out, folder, csv, soundfont)
    alone("mars align")
    stages, own = tuple(stage or alignment.STAGES), folder is not None or csv is not None
    _check_read(stages, own, measure, margin, hard_negatives)
    config = alignment.AlignmentConfig(
        seed=seed,
        **given(
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            margin=margin,
            hard_negatives=hard_negatives,
        ),
    )
    if not resume:
        run_folder.no_run(out, *stages)
    if start is not None and not start.is_file():
        fail(f"checkpoint {start}", "is not there", "give a file of heads that `mars align` wrote")
    encoder = pretrained.load_encoder(encoder_name, weights, aligned=False).to(device)
    if start is not None:
        alignment.load_heads(encoder, start)
    before = alignment.with_trainable_heads(encoder)
    music = music_of(folder, csv, soundfont, manifests.LENGTH)
    print(alignment.forecast(encoder, music, clips, variants, out))
    kept, hard = out / "features", config.hard_negatives > 0
    train, validation = (
        alignment.trunk_features(
            encoder, music, split, clips=clips, variants=variants, contaminated=hard, folder=kept
        )
        for split in ("train", "validation")
    )
    paths = alignment.align(encoder, train, validation, out, config, stages=stages, resume=resume)
    for name, path in paths.items():
        print(f"{name}: {path}")
    if measure is not False and not own:
        _measure(before, {name: path for name, path in paths.items() if name != "mlbp"}, out)


def _measure(before: TrainableEncoder, heads: dict[str, Path], out: Path) -> None:
    """Measure an encoder and the heads of each stage on mini-MUSIC: a table, and measures.json."""
    held_out = {
        split: alignment.trunk_features(
            before, manifests.music(), split, clips=12, folder=out / "features"
        )
        for split in manifests.SPLITS
    }
    found = alignment.report(before, heads, held_out)
    atomic.write_json(out / "measures.json", found)
    print(alignment.table(found))


def _check_read(
    stages: tuple[str, ...],
    own: bool,
    measure: bool | None,
    margin: float | None,
    hard: float | None,
) -> None:
    """Raise `InputError` for a stage that is none, and for an option that would not be read.

    Data of the user's own (`own`) have no measures.
    """
    alignment.check_stages(stages)
    if own and measure:
        reason, remedy = "its mixtures are mini-MUSIC's", "leave out --folder and --csv"
        options.unread({"--measure": measure}, reason, remedy)
    if not set(stages) & set(MARGINAL):
        reason, remedy = f"{' and '.join(stages)} has none", f"give --stage {' or '.join(MARGINAL)}"
        options.unread({"--margin": margin, "--hard-negatives": hard}, reason, remedy)
