"""How the pretrained checkpoints are made, from nothing: `make checkpoints`.

Sound comes from the soundfonts of `recipe_fonts`.
"""

from collections.abc import Collection
from functools import partial
from pathlib import Path

import torch
from torch import nn

from mars_lib import config as configs
from mars_lib.alignment.stages import AlignmentConfig
from mars_lib.config import Config
from mars_lib.data.fingerprint import content, digest
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.music import Music
from mars_lib.data.pictures import drawings
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.data.synthesis.classes import descriptions, sound_classes
from mars_lib.encoders.minibind import MODALITIES, MiniBind
from mars_lib.experiments import minibind2_checkpoint
from mars_lib.experiments.aligned_heads import make_aligned
from mars_lib.experiments.checkpoint_parts import Making, Part, chosen, kept, outdated, ship
from mars_lib.experiments.comparison import train_systems
from mars_lib.experiments.distilled_words import distilled_words
from mars_lib.experiments.exported_separators import blend, export, export_log
from mars_lib.experiments.minibind2_checkpoint import make_minibind2
from mars_lib.experiments.recipe_fonts import further_fonts, recipe_fonts
from mars_lib.experiments.richer_music import RicherMusic, further_pictures
from mars_lib.experiments.small_separator import make_separator, reward_separator
from mars_lib.inference.pretrained import load_minibind2
from mars_lib.io import assets, checkpoint
from mars_lib.io.checkpoint import Checkpoint
from mars_lib.io.devices import choose_device
from mars_lib.training import minibind_trunks
from mars_lib.training.judge_training import train_judge
from mars_lib.training.mlbp import mlbp_meta, train_mlbp
from mars_lib.training.run_folder import digest_of_encoder, identity

TRUNK_STEPS = {"audio": 800, "image": 2_500, "text": 600}
# Of the systems that `mars benchmark` compares.
SEEDS = 3
BATCH = {"audio": 48, "image": 64, "text": 64}
# How MiniBind2's heads are aligned; the first MiniBind's are with the defaults.
ALIGNMENT = AlignmentConfig(steps=1_000, patience=12, hard_negatives=0.5, dropout=0.5)


def make_checkpoints(
    work: str | Path,
    config: Config | None = None,
    device: str = "auto",
    only: Collection[str] = (),
) -> None:
    """Train the pretrained networks and write them into the package's data.

    Part after part, each from the package's files of those before it. Finished parts are found
    again in `work` and interrupted training is resumed.

    Args:
        work: folder of the runs.
        config: of the small separator; None for `config.small()`.
        device: "cpu", "cuda", "mps" or "auto".
        only: names of the parts that are made; none for all.

    Raises:
        InputError: for an unknown part, and one that needs another that is neither made nor there;
            when a soundfont of the recipe is missing; and where `work` holds parts made of other
            data or by another version of the code.
    """
    names = chosen(PARTS, only)
    work, config = Path(work), config or configs.small()
    music = PooledMusic(MiniMusic(tuple(recipe_fonts()), config.signal.length))
    making = Making(work, config, music, choose_device(device))
    changed = []
    for name in names:
        print(f"{name}: {PARTS[name].what}", flush=True)
        before = content(assets.checkpoint(name), whole=True)
        PARTS[name].make(making)
        if content(assets.checkpoint(name), whole=True) != before:
            changed.append(name)
    if older := outdated(PARTS, names, changed):
        print(f"out of date now, to be made again: {', '.join(older)}")


def make_systems(
    work: Path,
    music: Music,
    encoder: MiniBind,
    seeds: int,
    target: Path,
    device: str = "auto",
    config: Config | None = None,
) -> None:
    """Train the systems of `mars benchmark` in `work`, with `seeds` seeds each, into `target`."""
    for seed in range(seeds):
        trained = train_systems(
            config or configs.comparison(),
            music,
            encoder,
            work / str(seed),
            seed=seed,
            device=device,
        )
        for name, path in trained.items():
            export(path, target / f"{name}-{seed}.safetensors")


def make_minibind(work: Path, music: Music, device: str, seed: int = 0) -> MiniBind:
    """The three trunks, each kept in `work` once it is trained, then the heads."""
    torch.manual_seed(seed)
    encoder = MiniBind().to(device)
    classes = sound_classes()
    shown = [drawings(sound, "train") for sound in classes]
    batches = {
        "audio": minibind_trunks.audio_batches(music, BATCH["audio"], seed, device=device),
        "image": minibind_trunks.image_batches(shown, BATCH["image"], seed, device),
        "text": minibind_trunks.text_batches(classes, BATCH["text"], seed),
    }
    for name in MODALITIES:
        path, steps = work / f"{name}-trunk.safetensors", TRUNK_STEPS[name]
        ours = identity(
            modality=name, steps=steps, batch=BATCH[name], seed=seed, data=music.fingerprint()
        )
        trunk = kept(path, ours, partial(_trunk, encoder.trunks[name], batches[name], steps, name))
        checkpoint.restore(encoder.trunks[name], trunk.tensors, str(path))
    encoder.eval()
    minibind_trunks.train_heads(encoder, batches)
    return encoder


def _trunk(
    trunk: nn.Module, batches: minibind_trunks.Batch, steps: int, name: str
) -> tuple[dict[str, torch.Tensor], dict]:
    """Train a trunk: its tensors, and what their file says."""
    accuracy = minibind_trunks.train_trunk(trunk, batches, steps, name)
    return trunk.state_dict(), {"kind": "trunk", "modality": name, "accuracy": accuracy}


def _minibind(making: Making) -> None:
    def make() -> tuple[dict[str, torch.Tensor], dict]:
        encoder = make_minibind(making.work, making.music, making.device)
        size = encoder.embedding_size
        meta = {"kind": "minibind", "embedding_size": size, "heads": "by family"}
        return encoder.state_dict(), meta

    ours = identity(steps=TRUNK_STEPS, batch=BATCH, data=making.music.fingerprint())
    ship("minibind", kept(making.work / "minibind.safetensors", ours, make))


def _words(making: Making) -> None:
    ship("words", kept(making.work / "words.safetensors", identity(), distilled_words))


def _more_music(making: Making) -> RicherMusic:
    """The sounds of the recipe, and more; drawings, emoji and clip art."""
    mini = MiniMusic((*recipe_fonts(), *further_fonts()), making.config.signal.length)
    return RicherMusic(mini, further=further_pictures(making.work / "pictures"))


def _minibind2(making: Making) -> None:
    music = _more_music(making)

    def make() -> tuple[dict[str, torch.Tensor], dict]:
        encoder = make_minibind2(making.work, music, making.device)
        meta = {"kind": "minibind2", "embedding_size": encoder.embedding_size}
        return encoder.state_dict(), meta | {"heads": "by family"}

    ours = identity(
        steps=minibind2_checkpoint.STEPS,
        batch=minibind2_checkpoint.BATCH,
        data=music.fingerprint(),
        texts=digest(descriptions()),
    )
    ship("minibind2", kept(making.work / "minibind2.safetensors", ours, make))


def _aligned2(making: Making) -> None:
    encoder = load_minibind2().to(making.device)
    work = making.work / "aligned2"
    tensors = make_aligned(encoder, _more_music(making), work, ALIGNMENT, photographs=True)
    ship("aligned2", Checkpoint(tensors, {"kind": "aligned"}))


def _separator(making: Making) -> None:
    work, config, device = making.work / "separator", making.config, making.device
    run = make_separator(work, config, making.music, _more_music(making), device)
    export(run / "best.safetensors", assets.checkpoint("separator-small"))
    export_log(run, "separator-small")


def _mlbp(making: Making) -> None:
    encoder = making.minibind()

    def make() -> tuple[dict[str, torch.Tensor], dict]:
        pooling = train_mlbp(encoder, making.music)
        return pooling.state_dict(), mlbp_meta(pooling)

    ours = identity(data=making.music.fingerprint(), encoder=digest_of_encoder(encoder))
    ship("mlbp", kept(making.work / "mlbp.safetensors", ours, make))


def _aligned(making: Making) -> None:
    tensors = make_aligned(making.minibind(), making.music, making.work / "aligned")
    ship("aligned", Checkpoint(tensors, {"kind": "aligned"}))


def _judge(making: Making) -> None:
    def make() -> tuple[dict[str, torch.Tensor], dict]:
        judge = train_judge(making.music, device=making.device)
        return judge.state_dict(), {"kind": "judge", "names": judge.names}

    ours = identity(data=making.music.fingerprint())
    ship("judge", kept(making.work / "judge.safetensors", ours, make))


def _pathwise(making: Making) -> None:
    start, run = assets.checkpoint("separator-small"), making.work / "pathwise"
    taught = reward_separator(run, start, making.config, _more_music(making), making.device)
    blend(start, taught, assets.checkpoint("pathwise-small"))
    export_log(run, "pathwise-small")


def _systems(making: Making) -> None:
    work, target = making.work / "systems", assets.folder() / "checkpoints" / "systems"
    make_systems(work, making.music, making.minibind(), SEEDS, target, making.device)


# By the names of the package's checkpoints, in the order in which they are made.
PARTS = {
    "minibind": Part("MiniBind, three trunks and heads by family", _minibind),
    "words": Part("the table of word pieces in MiniBind2's text trunk", _words),
    "minibind2": Part("MiniBind2, its trunks and heads by family", _minibind2, ("words",)),
    "aligned2": Part(
        "MiniBind2's heads after each stage of alignment, and their fusions",
        _aligned2,
        ("minibind2",),
    ),
    "separator-small": Part(
        "the small separator, supervised", _separator, ("minibind", "aligned2")
    ),
    "mlbp": Part("the fusion of modalities for MiniBind's own heads", _mlbp, ("minibind",)),
    "aligned": Part(
        "MiniBind's heads after each stage of alignment, and their fusions", _aligned, ("minibind",)
    ),
    "judge": Part("the held-out classifier", _judge),
    "pathwise-small": Part(
        "the small separator, trained further with rewards",
        _pathwise,
        ("aligned2", "separator-small", "judge"),
    ),
    "systems": Part(
        "the systems that `mars benchmark` compares", _systems, ("minibind", "mlbp", "aligned")
    ),
}
