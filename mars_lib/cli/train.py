"""The commands `mars train ...`."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from mars_lib import alignment
from mars_lib import config as configs
from mars_lib.check import one_of
from mars_lib.cli import options
from mars_lib.cli.config_options import Value, changed, with_options_of
from mars_lib.config import Config, PolicyConfig, TrainingConfig
from mars_lib.data.csv_music import CsvMusic
from mars_lib.data.folders import FolderMusic
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.music import Music
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.data.synthesis import soundfonts
from mars_lib.encoders.base import Encoder
from mars_lib.experiments.checkpoints import make_systems
from mars_lib.inference import pretrained, system
from mars_lib.inference.system import System
from mars_lib.io import checkpoint
from mars_lib.reward import MLBP
from mars_lib.training import distributed, mlbp, reinforce, run_folder
from mars_lib.training.rl_config import PRESETS, RLConfig
from mars_lib.training.state import placed
from mars_lib.training.supervised import train_supervised

train = typer.Typer(no_args_is_help=True, help="Train a separator.")

PROFILES = ("smoke", "cpu", "gpu", "paper")
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")]
EncoderName = Annotated[
    str, typer.Option("--encoder", help="minibind, minibind2, imagebind or pe-av.")
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Of an encoder that is not in the package: imagebind_huge.pth, or a PE-AV's folder."
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
        help="Passes that make one step, for a card that holds a part of the batch. Batch "
        "normalisation sees a pass, so that they are not quite the step in one.",
        min=1,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes that read clips, 0 for a thread. By default none on a CPU.", min=0
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where OUT stopped.")]


@train.command()
def supervised(
    profile: Annotated[str, typer.Option(help=" | ".join(PROFILES))] = "cpu",
    encoder_name: Annotated[
        str | None,
        typer.Option(
            "--encoder", help="Instead of the profile's: minibind, minibind2, imagebind or pe-av."
        ),
    ] = None,
    weights: Weights = None,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")] = Path(
        "runs/supervised"
    ),
    start: Annotated[
        str | None,
        typer.Option(help="Go on with a separator, as separator-small or a checkpoint's path."),
    ] = None,
    folder: Folder = None,
    csv: Csv = None,
    soundfont: Soundfont = None,
    steps: Annotated[int | None, typer.Option(help="Instead of the profile's.", min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Instead of the profile's.", min=2)] = None,
    accumulate: Accumulate = None,
    learning_rate: Annotated[float | None, typer.Option(help="Instead of the profile's.")] = None,
    precision: Annotated[str | None, typer.Option(help="32-true, bf16-mixed, 16-mixed.")] = None,
    clips: Annotated[
        int | None, typer.Option(help="Of a class that mixtures are drawn from.", min=1)
    ] = None,
    augment: Annotated[
        float | None, typer.Option(help="Share of augmented clips.", min=0, max=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="For everything random.")] = 0,
    device: Device = "auto",
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """OmniSep's recipe: ideal binary masks, weighted cross-entropy, mixed queries."""
    device = options.start_of_training(device, out, folder, csv, soundfont)
    if not resume:
        run_folder.no_run(out, "last", "best")
    begun = None if start is None else system.path_of(start)
    config = _profile_of(profile, begun)
    changes = given(
        steps=steps,
        decay_steps=steps,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
        precision=precision,
        clips_per_class=clips,
        augment=augment,
        seed=seed,
    )
    name = encoder_name or config.encoder
    trained = replace(config.training, **changes)
    encoder = pretrained.load_encoder(name, weights)
    network = replace(config.separator, embedding_size=encoder.embedding_size)
    config = replace(config, encoder=name, separator=network, training=trained)
    music = pooled(music_of(folder, csv, soundfont, config.signal.length), config.training)
    options_of_run: dict[str, Any] = {"accelerator": device, "resume": resume, "workers": workers}
    _tell(train_supervised(config, music, encoder, out, start=begun, **options_of_run))


def _profile_of(profile: str, begun: Path | None) -> Config:
    """The configuration of a profile; the network of a checkpoint that is gone on with is its."""
    config = configs.profile(profile)
    if begun is None:
        return config
    saved = checkpoint.load(begun, "separator").meta["config"]
    theirs = configs.from_dict(saved, f"checkpoint {begun}")
    parts = {name: getattr(theirs, name) for name in ("encoder", "signal", "separator")}
    return replace(config, **parts)


@train.command()
@with_options_of(PRESETS)
def rl(
    start: Annotated[
        Path | None,
        typer.Option(help="A supervised checkpoint; without it the pretrained separator-small."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")] = Path("runs/rl"),
    preset: Annotated[
        str,
        typer.Option(
            help="recipe: the course's own. ppo: PPO in its place. paper: the paper's defaults."
        ),
    ] = "recipe",
    weights: Weights = None,
    heads: Annotated[
        str | None,
        typer.Option(
            help="Of the reward encoder: stage3 or one-stage of MiniBind and MiniBind2, or of any "
            "encoder a file that `mars align` wrote; none: as for queries. By default stage3, or "
            "none for other encoders."
        ),
    ] = None,
    folder: Folder = None,
    csv: Csv = None,
    soundfont: Soundfont = None,
    device: Device = "auto",
    workers: Workers = None,
    resume: Resume = False,
    **chosen: Value,
) -> None:
    """Train further with rewards: by this course's pathwise recipe, or by MARS-Sep's PPO."""
    device = options.start_of_training(device, out, folder, csv, soundfont)
    if not resume:
        run_folder.no_run(out, "last", "best")
    one_of("preset", preset, PRESETS)
    policy = {each.name: chosen.get(each.name) for each in fields(PolicyConfig)}
    run = changed(PRESETS[preset], {k: v for k, v in chosen.items() if k not in policy})
    options.check_read(run, policy, run.anchor if "anchor" in chosen else None, heads)
    config = changed(run, chosen)
    start = system.path_of(start or "separator-small")
    of_start = configs.from_dict(checkpoint.load(start, "separator").meta["config"])
    options.check_start(of_start, config, heads)
    loaded = system.load(start, "cpu", weights)
    music = music_of(folder, csv, soundfont, loaded.separator.config.signal.length)
    music = pooled(music, config, loaded.separator.config.training.n_sources)
    reward_encoder, pooling = reward_encoder_of(loaded, heads, music, distributed.own_card(device))
    best = reinforce.train_rl(
        start,
        config,
        music,
        loaded.encoder,
        pooling,
        out,
        reward_encoder=reward_encoder,
        # The held-out classifier knows the classes of mini-MUSIC only.
        judge=None if folder or csv else pretrained.load_judge(),
        accelerator=device,
        resume=resume,
        workers=workers,
    )
    _tell(best)


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
    """The four systems that `mars benchmark` compares; what is finished or begun in OUT goes on."""
    device = options.start_of_training(device, out, folder, csv, soundfont)
    distributed.alone("mars train systems")
    config = configs.comparison()
    config = replace(
        config, training=replace(config.training, **given(steps=steps, decay_steps=steps))
    )
    music = pooled(music_of(folder, csv, soundfont, config.signal.length), config.training)
    make_systems(out / "work", music, pretrained.load_minibind(), seeds, out, device, config)
    print(out)


def reward_encoder_of(
    system: System, heads: str | None, music: Music, device: str = "cpu"
) -> tuple[Encoder | None, MLBP]:
    """The reward encoder, and the fusion that fits it.

    Args:
        system: whose encoder embeds the queries.
        heads: of the reward encoder, as the option has them.
        music: what a fusion that is not in the package is trained on.
        device: where that fusion is trained, and where the encoder stays.

    Returns:
        The encoder, None where it is the one of the queries; and the fusion.
    """
    name = system.separator.config.encoder
    packaged = name in pretrained.PACKAGED
    heads = heads or ("stage3" if packaged else "none")
    if packaged and heads in ("none", own := pretrained.QUERY_HEADS[name]):
        return None, pretrained.load_mlbp(heads=own, encoder=name)
    if heads == "none":
        return None, mlbp.train_mlbp(placed(system.encoder, torch.device(device)), music)
    if packaged and heads in pretrained.ALIGNED:
        fusion = pretrained.load_mlbp(heads=heads, encoder=name)
        return pretrained.load_packaged(name, heads), fusion
    reward_encoder = alignment.with_trainable_heads(system.encoder)
    alignment.load_heads(reward_encoder, heads)
    return reward_encoder, pretrained.load_mlbp(alignment.fusion_of(Path(heads)))


def _tell(best: Path) -> None:
    """Print where the best checkpoint is: once, however many processes trained."""
    if distributed.first():
        print(best)


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def music_of(
    folder: Path | None, csv: Path | None, soundfont: list[Path] | None, length: int
) -> Music:
    """The sounds to train on: a folder of one's own, prepared videos, or mini-MUSIC.

    Args:
        folder: class/*.wav.
        csv: where `mars data prepare-music` or `prepare-vggsound` wrote.
        soundfont: further .sf2 files for mini-MUSIC.
        length: samples of a clip.
    """
    options.one_source(folder, csv, soundfont)
    if folder is not None:
        return FolderMusic(folder, length)
    if csv is not None:
        return CsvMusic(csv, length)
    return MiniMusic(tuple(soundfonts.find(tuple(map(str, soundfont or ())))), length)


def pooled(music: Music, run: TrainingConfig | RLConfig, n_sources: int = 2) -> Music:
    """The data set with clips in pools, where a run draws more of them than a pool holds."""
    drawn = run.steps * run.batch_size * n_sources
    held = run.clips_per_class * len(music.classes("train"))
    return PooledMusic(music, progress=distributed.first()) if drawn > held else music
