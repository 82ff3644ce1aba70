"""The commands `mars train ...`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mars_lib.check import fail
from mars_lib.cli import options
from mars_lib.training import run_folder

train = typer.Typer(no_args_is_help=True, help="Train a separator.")

PROFILES = ("smoke", "cpu", "gpu", "paper")
PRESETS = ("recipe", "paper")
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")]
EncoderName = Annotated[str, typer.Option("--encoder", help="minibind, imagebind or pe-av.")]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Of an encoder that does not ship: imagebind_huge.pth, or the folder of a PE-AV."
    ),
]
Soundfont = Annotated[list[Path] | None, typer.Option(help="A further .sf2 file.")]
Folder = Annotated[Path | None, typer.Option(help="Train on class/*.wav of this folder.")]
Csv = Annotated[
    Path | None,
    typer.Option(help="Train on what `mars data prepare-music` or -vggsound made there."),
]
Accumulate = Annotated[
    int | None,
    typer.Option(
        help="Passes that make one step, for a card that holds a part of the batch.", min=1
    ),
]
Compiled = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Put the network through torch.compile: a minute or two at the start, for long runs on a card.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where OUT stopped.")]


@train.command()
def supervised(
    profile: Annotated[str, typer.Option(help=" | ".join(PROFILES))] = "cpu",
    encoder_name: Annotated[
        str | None,
        typer.Option("--encoder", help="Instead of the profile's: minibind, imagebind or pe-av."),
    ] = None,
    weights: Weights = None,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")] = Path(
        "runs/supervised"
    ),
    folder: Folder = None,
    csv: Csv = None,
    soundfont: Soundfont = None,
    steps: Annotated[int | None, typer.Option(help="Instead of the profile's.", min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Instead of the profile's.", min=2)] = None,
    accumulate: Accumulate = None,
    learning_rate: Annotated[float | None, typer.Option(help="Instead of the profile's.")] = None,
    precision: Annotated[str | None, typer.Option(help="32-true, bf16-mixed, 16-mixed.")] = None,
    augment: Annotated[
        float | None, typer.Option(help="Share of varied clips.", min=0, max=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="For everything random.")] = 0,
    device: Device = "auto",
    compiled: Compiled = False,
    resume: Resume = False,
) -> None:
    """OmniSep's recipe: ideal binary masks, weighted cross-entropy, mixed queries."""
    from mars_lib import config as configs
    from mars_lib.inference.pretrained import load_encoder
    from mars_lib.training.supervised import train_supervised

    device = options.start_of_training(device, out, folder, csv, soundfont)
    if not resume:
        run_folder.no_run(out, "last", "best")
    config = configs.profile(profile)
    changes = given(
        steps=steps,
        decay_steps=steps,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
        precision=precision,
        augment=augment,
        seed=seed,
    )
    name = encoder_name or config.encoder
    config = replace(config, encoder=name, training=replace(config.training, **changes))
    encoder = load_encoder(name, weights)
    config = replace(
        config, separator=replace(config.separator, embedding_size=encoder.embedding_size)
    )
    music = music_of(folder, csv, soundfont, config.signal.length)
    best = train_supervised(
        config, music, encoder, out, accelerator=device, resume=resume, compiled=compiled
    )
    print(best)


@train.command()
def rl(
    start: Annotated[
        Path | None,
        typer.Option(help="A supervised checkpoint; without it, separator-small, which ships."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")] = Path("runs/rl"),
    preset: Annotated[
        str, typer.Option(help="recipe: the course's own. paper: the paper's defaults.")
    ] = "recipe",
    estimator: Annotated[
        str | None, typer.Option(help="score (the paper's PPO), pathwise, mode or supervised.")
    ] = None,
    reward: Annotated[
        str | None, typer.Option(help="fused, mean, audio, text, image or signal.")
    ] = None,
    weights: Weights = None,
    heads: Annotated[
        str | None,
        typer.Option(
            help="Who hears: MiniBind with heads of stage3 or one-stage, or any encoder with a file that `mars align` wrote; "
            "none: as queries. By default stage3 for MiniBind."
        ),
    ] = None,
    signal_weight: Annotated[float | None, typer.Option(help="w of R = sim + w SI-SDR.")] = None,
    anchor: Annotated[
        float | None, typer.Option(help="Weight of the supervised loss beside.")
    ] = None,
    group_size: Annotated[int | None, typer.Option(help="G, samples of one mixture.")] = None,
    patch: Annotated[
        int | None, typer.Option(help="Side of the patches acted on; 1: bins.")
    ] = None,
    kappa: Annotated[float | None, typer.Option(help="Concentration of the Beta policy.")] = None,
    clip_range: Annotated[float | None, typer.Option(help="eps of Eq. 4.")] = None,
    entropy: Annotated[float | None, typer.Option(help="Weight of the entropy bonus.")] = None,
    kl: Annotated[float | None, typer.Option(help="Weight of KL(new || old).")] = None,
    ratio: Annotated[str | None, typer.Option(help="Per bin, frame or joint.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Mixtures a step.")] = None,
    accumulate: Accumulate = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak of AdamW's.")] = None,
    precision: Annotated[str | None, typer.Option(help="32-true, bf16-mixed, 16-mixed.")] = None,
    validate_every: Annotated[int | None, typer.Option(help="Steps between validations.")] = None,
    validation_mixtures: Annotated[int | None, typer.Option(help="Mixtures held out.")] = None,
    queries_per_class: Annotated[int | None, typer.Option(help="Queries to draw from.")] = None,
    seed: Annotated[int, typer.Option(help="For everything random.")] = 0,
    folder: Folder = None,
    csv: Csv = None,
    soundfont: Soundfont = None,
    device: Device = "auto",
    compiled: Compiled = False,
    resume: Resume = False,
) -> None:
    """MARS-Sep: a Beta policy over masks, rewarded by what a frozen encoder hears (Section 3.2)."""
    from mars_lib import config as configs
    from mars_lib.inference import pretrained, system
    from mars_lib.io import assets, checkpoint
    from mars_lib.training import distributed, reinforce
    from mars_lib.training.rl_config import RLConfig, recipe

    device = options.start_of_training(device, out, folder, csv, soundfont)
    if not resume:
        run_folder.no_run(out, "last", "best")
    if preset not in PRESETS:
        fail("preset", f"is {preset!r}", f"give one of {', '.join(PRESETS)}")
    base = recipe() if preset == "recipe" else RLConfig()
    policy = given(
        group_size=group_size,
        patch=patch,
        kappa=kappa,
        kappa_end=kappa,
        clip_range=clip_range,
        entropy_coefficient=entropy,
        kl_coefficient=kl,
        ratio=ratio,
    )
    run = given(
        estimator=estimator,
        reward=reward,
        signal_weight=signal_weight,
        anchor=anchor,
        steps=steps,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
        precision=precision,
        validate_every=validate_every,
        validation_mixtures=validation_mixtures,
        queries_per_class=queries_per_class,
    )
    config = replace(base, policy=replace(base.policy, **policy), seed=seed, **run)
    options.check_read(config, policy, anchor, heads)
    start = start or assets.checkpoint("separator-small")
    options.check_start(
        configs.from_dict(checkpoint.load(start, "separator").meta["config"]), config, heads
    )
    asked = system.load(start, "cpu", weights)
    music = music_of(folder, csv, soundfont, asked.separator.config.signal.length)
    reward_encoder, pooling = reward_encoder_of(asked, heads, music, distributed.own_card(device))
    best = reinforce.train_rl(
        start,
        config,
        music,
        asked.encoder,
        pooling,
        out,
        reward_encoder=reward_encoder,
        # The judge knows the classes of mini-MUSIC only.
        judge=None if folder or csv else pretrained.load_judge(),
        accelerator=device,
        resume=resume,
        compiled=compiled,
    )
    print(best)


@train.command()
def systems(
    out: Annotated[
        Path, typer.Option(help="Folder for SYSTEM-SEED.safetensors, and training in OUT/work.")
    ] = Path("runs/systems"),
    seeds: Annotated[int, typer.Option(help="How many, from 0.", min=1)] = 3,
    steps: Annotated[int | None, typer.Option(help="Of each system.", min=6)] = None,
    folder: Folder = None,
    csv: Csv = None,
    soundfont: Soundfont = None,
    device: Device = "auto",
) -> None:
    """The four systems that `mars benchmark` compares, trained alike; what is finished or begun in
    OUT goes on.
    """
    from mars_lib import config as configs
    from mars_lib.experiments.checkpoints import make_systems
    from mars_lib.inference.pretrained import load_minibind
    from mars_lib.training.distributed import alone

    device = options.start_of_training(device, out, folder, csv, soundfont)
    alone("mars train systems")
    config = configs.comparison()
    config = replace(
        config, training=replace(config.training, **given(steps=steps, decay_steps=steps))
    )
    music = music_of(folder, csv, soundfont, config.signal.length)
    make_systems(out / "work", music, load_minibind(), seeds, out, device, config)
    print(out)


def reward_encoder_of(asked, heads: str | None, music, device: str = "cpu"):
    """(the encoder that hears for the reward, or None where it is the one that embeds queries; the
    fusion that fits it).

    A fusion that does not ship is trained on `device`, where the encoder stays.
    """
    from mars_lib import alignment
    from mars_lib.inference import pretrained
    from mars_lib.training.mlbp import train_mlbp

    ships = asked.separator.config.encoder == "minibind"
    heads = heads or ("stage3" if ships else "none")
    if heads == "none":
        # A fusion ships for MiniBind alone.
        return None, pretrained.load_mlbp() if ships else train_mlbp(
            asked.encoder.to(device), music
        )
    if ships and heads in pretrained.ALIGNED:
        return pretrained.load_minibind(heads=heads), pretrained.load_mlbp(heads=heads)
    reward_encoder = alignment.with_trainable_heads(asked.encoder)
    alignment.load_heads(reward_encoder, heads)
    return reward_encoder, pretrained.load_mlbp(alignment.fusion_of(Path(heads)))


def given(**options) -> dict:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def music_of(folder: Path | None, csv: Path | None, soundfont: list[Path] | None, length: int):
    """The sounds to train on: a folder of one's own, prepared videos, or mini-MUSIC."""
    from mars_lib.data.csv_music import CsvMusic
    from mars_lib.data.folders import FolderMusic
    from mars_lib.data.mini_music import MiniMusic
    from mars_lib.data.synthesis.soundfonts import find

    options.one_source(folder, csv, soundfont)
    if folder is not None:
        return FolderMusic(folder, length)
    if csv is not None:
        return CsvMusic(csv, length)
    return MiniMusic(tuple(find(tuple(map(str, soundfont or ())))), length)
