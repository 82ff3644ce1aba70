"""The command `mars align`."""

from pathlib import Path
from typing import Annotated

import typer

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
from mars_lib.training import run_folder


def align(
    out: Annotated[Path, typer.Option(help="Folder for heads, logs and trunk features.")] = Path(
        "runs/align"
    ),
    encoder_name: EncoderName = "minibind",
    weights: Weights = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="stage1, stage2, stage3 or one-stage; the three in a row without it."),
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="Heads to start from; those that ship without it.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="At most, in each stage.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Classes a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="AdamW's.")] = None,
    margin: Annotated[float | None, typer.Option(help="m of Eq. 8 and 9.")] = None,
    clips: Annotated[int, typer.Option(help="Clips of each class.", min=1)] = 32,
    variants: Annotated[
        int, typer.Option(help="Takes of each clip, all but one varied.", min=1)
    ] = 3,
    seed: Annotated[int, typer.Option(help="For everything random.")] = 0,
    folder: Folder = None,
    csv: Csv = None,
    soundfont: Soundfont = None,
    measure: Annotated[
        bool | None,
        typer.Option(
            "--measure/--no-measure",
            help="Probe and retrieval on test and unseen, to OUT/measures.json; the default for mini-MUSIC.",
        ),
    ] = None,
    device: Device = "auto",
    resume: Resume = False,
) -> None:
    """Three-stage alignment of the encoder's heads (Section 3.3)."""
    from mars_lib import alignment
    from mars_lib.data import manifests
    from mars_lib.inference.pretrained import load_encoder
    from mars_lib.io import atomic
    from mars_lib.training.distributed import alone

    device = options.start_of_training(device, out, folder, csv, soundfont)
    alone("mars align")
    stages, own = tuple(stage or alignment.STAGES), folder is not None or csv is not None
    _check_read(stages, own, measure, margin)
    config = alignment.AlignmentConfig(
        seed=seed,
        **given(steps=steps, batch_size=batch_size, learning_rate=learning_rate, margin=margin),
    )
    if not resume:
        run_folder.no_run(out, *stages)
    if start is not None and not start.is_file():
        fail(f"checkpoint {start}", "is not there", "give a file of heads that `mars align` wrote")
    encoder = load_encoder(encoder_name, weights).to(device)
    if start is not None:
        alignment.load_heads(encoder, start)
    music = music_of(folder, csv, soundfont, manifests.LENGTH)
    print(alignment.forecast(encoder, music, clips, variants, out))
    make = {"clips": clips, "variants": variants, "folder": out / "features"}
    train, validation = (
        alignment.trunk_features(encoder, music, split, **make) for split in ("train", "validation")
    )
    before = alignment.with_trainable_heads(encoder)
    paths = alignment.align(encoder, train, validation, out, config, stages=stages, resume=resume)
    for name, path in paths.items():
        print(f"{name}: {path}")
    if measure is not False and not own:
        held_out = {
            split: alignment.trunk_features(
                before, manifests.music(), split, clips=12, folder=out / "features"
            )
            for split in manifests.SPLITS
        }
        heads = {name: path for name, path in paths.items() if name != "mlbp"}
        found = alignment.report(before, heads, held_out)
        atomic.write_json(out / "measures.json", found)
        print(alignment.table(found))


def _check_read(
    stages: tuple[str, ...], own: bool, measure: bool | None, margin: float | None
) -> None:
    """Raise `InputError` for a stage that is none, and for an option that nothing reads: `own` data
    have no measures.
    """
    from mars_lib.alignment.stages import MARGINAL, check_stages

    check_stages(stages)
    if own and measure:
        options.unread(
            {"--measure": measure}, "its mixtures are mini-MUSIC's", "leave out --folder and --csv"
        )
    if not set(stages) & set(MARGINAL):
        options.unread(
            {"--margin": margin},
            f"{' and '.join(stages)} has none",
            f"give --stage {' or '.join(MARGINAL)}",
        )
