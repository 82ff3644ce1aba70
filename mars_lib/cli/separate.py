"""The command `mars separate`."""

from pathlib import Path
from typing import Annotated

import typer

from mars_lib.cli.train import Device, Weights
from mars_lib.inference import files, system

Checkpoint = Annotated[
    Path | None,
    typer.Option(help="A separator checkpoint; without it, the pretrained pathwise-small."),
]
Mixture = Annotated[Path, typer.Argument(help="A sound file: any rate, any channels, any length.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Where the estimate goes.")]
Texts = Annotated[
    list[str] | None,
    typer.Option(help="What to keep, e.g. violin. Several: one output each, one U-Net pass."),
]
Audio = Annotated[Path | None, typer.Option(help="A recording of such a sound.")]
Image = Annotated[Path | None, typer.Option(help="A picture of its source.")]
NegativeText = Annotated[str | None, typer.Option(help="What to push away.")]
NegativeAudio = Annotated[Path | None, typer.Option(help="The same, by sound.")]
NegativeImage = Annotated[Path | None, typer.Option(help="The same, by picture.")]
Strength = Annotated[float, typer.Option(help="alpha of the negative query.")]


def separate(
    mixture: Mixture,
    output: Output,
    text: Texts = None,
    audio: Audio = None,
    image: Image = None,
    text_weight: Annotated[float, typer.Option(help="Weight of the text, 0 to 1.")] = 1.0,
    audio_weight: Annotated[float, typer.Option(help="Weight of the audio, 0 to 1.")] = 1.0,
    image_weight: Annotated[float, typer.Option(help="Weight of the image, 0 to 1.")] = 1.0,
    negative_text: NegativeText = None,
    negative_audio: NegativeAudio = None,
    negative_image: NegativeImage = None,
    negative_strength: Strength = 0.5,
    checkpoint: Checkpoint = None,
    weights: Weights = None,
    device: Device = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Pick one source out of a mixture: mars separate mix.wav --text violin -o violin.wav"""
    targets = files.target_names(output, text or [])
    inputs = [audio, image, negative_audio, negative_image, checkpoint, weights]
    # Before anything is loaded.
    files.check_targets(mixture, targets, inputs)
    loaded = system.load(checkpoint or system.PRETRAINED[0], device, weights)
    written = loaded.separate_file(
        mixture,
        output,
        text=text or None,
        audio=audio,
        image=image,
        weights={"text": text_weight, "audio": audio_weight, "image": image_weight},
        negative_text=negative_text,
        negative_audio=negative_audio,
        negative_image=negative_image,
        negative_strength=negative_strength,
        progress=not quiet,
    )
    for target in written:
        print(target)
