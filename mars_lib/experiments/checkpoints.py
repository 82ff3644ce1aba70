"""How the pretrained checkpoints are made, from nothing: `make checkpoints`.

Sound comes from the soundfonts of `recipe_fonts`.
"""

from pathlib import Path

import torch

from mars_lib import alignment
from mars_lib import config as configs
from mars_lib.check import fail
from mars_lib.config import Config
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.music import Music
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders.minibind import MODALITIES, MiniBind
from mars_lib.experiments.comparison import SYSTEMS, train_systems
from mars_lib.experiments.recipe_fonts import recipe_fonts
from mars_lib.inference.pretrained import load_minibind, load_mlbp
from mars_lib.io import assets, checkpoint
from mars_lib.io.devices import choose_device
from mars_lib.training import minibind_trunks
from mars_lib.training.judge_training import train_judge
from mars_lib.training.mlbp import mlbp_meta, train_mlbp
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import recipe
from mars_lib.training.run_folder import check_identity, identity
from mars_lib.training.supervised import train_supervised

TRUNK_STEPS = {"audio": 800, "image": 2_500, "text": 600}
# Of the systems that `mars benchmark` compares.
SEEDS = 3
# Of the pretrained separator: of 0.25, 0.5, 0.75 and 1 the share with the best reward on the
# validation split.
REWARDED = 0.75
BATCH = {"audio": 48, "image": 64, "text": 64}


def make_checkpoints(work: str | Path, config: Config | None = None, device: str = "auto") -> None:
    """Train every pretrained network and write it into the package's data.

    MiniBind, the small separator with supervision and then with rewards, fusions, heads, the
    held-out classifier and the compared systems. Finished parts are found again in `work` and
    interrupted training is resumed.

    Args:
        work: folder of the runs.
        config: of the small separator; None for `config.small()`.
        device: "cpu", "cuda", "mps" or "auto".

    Raises:
        InputError: when a soundfont of the recipe is missing, and where `work` holds parts made of
            other data or by another version of the code.
    """
    work, config = Path(work), config or configs.small()
    music = MiniMusic(tuple(recipe_fonts()), config.signal.length, augment=config.training.augment)
    device = choose_device(device)
    target = assets.folder() / "checkpoints"
    encoder = make_minibind(work, music, device)
    resume = (work / "separator" / "last.safetensors").is_file()
    best = train_supervised(
        config, music, encoder, work / "separator", accelerator=device, resume=resume
    )
    tensors = {k: v.half() for k, v in encoder.state_dict().items()}
    # Both at the end: the separator understands this encoder alone.
    meta = {"kind": "minibind", "embedding_size": encoder.embedding_size, "heads": "by family"}
    checkpoint.save(target / "minibind.safetensors", tensors, meta)
    export(best, target / "separator-small.safetensors")
    pooling = train_mlbp(encoder, music)
    checkpoint.save(target / "mlbp.safetensors", halves(pooling.state_dict()), mlbp_meta(pooling))
    aligned = make_aligned(encoder, music, work / "aligned")
    checkpoint.save(target / "aligned.safetensors", halves(aligned), {"kind": "aligned"})
    judge = train_judge(music, device=device)
    meta = {"kind": "judge", "names": judge.names}
    checkpoint.save(target / "judge.safetensors", halves(judge.state_dict()), meta)
    taught = train_rl(
        target / "separator-small.safetensors",
        recipe(),
        music,
        encoder,
        load_mlbp(heads="stage3"),
        work / "mars-sep",
        reward_encoder=load_minibind(heads="stage3"),
        judge=judge,
        accelerator=device,
        resume=(work / "mars-sep" / "last.safetensors").is_file(),
    )
    blend(target / "separator-small.safetensors", taught, target / "mars-sep-small.safetensors")
    make_systems(work / "systems", music, encoder, SEEDS, target / "systems", device)


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


def make_aligned(encoder: MiniBind, music: Music, work: Path) -> dict[str, torch.Tensor]:
    """Tensors of the aligned heads: each stage's, the one-stage control's, and fitting fusions."""
    train, validation = (
        alignment.trunk_features(encoder, music, split, folder=work)
        for split in ("train", "validation")
    )
    tensors: dict[str, torch.Tensor] = {}
    for name, stages in (("stage3", alignment.STAGES), ("one-stage", ("one-stage",))):
        ours = alignment.with_trainable_heads(encoder)
        paths = alignment.align(ours, train, validation, work / name, stages=stages, resume=True)
        fusion = checkpoint.load(paths.pop("mlbp"), "mlbp").tensors
        tensors |= {f"{name}.mlbp.{k}": v for k, v in fusion.items()}
        for stage, path in paths.items():
            tensors |= {
                f"{stage}.{k}": v for k, v in checkpoint.load(path, "heads").tensors.items()
            }
    return tensors


def export(trained: Path, path: Path) -> None:
    """The separator of a training checkpoint alone, of any `Method`, in half precision."""
    saved = checkpoint.load(trained, "separator", *SYSTEMS)
    _save_separator(path, saved.part("separator"), saved.meta)


def blend(start: Path, rewarded: Path, path: Path, share: float = REWARDED) -> None:
    """Interpolate the weights of a separator before and after training with rewards.

    Not in the paper: Wortsman et al., "Robust fine-tuning of zero-shot models" (2022). What was
    learned on mini-MUSIC stays, and less is lost on real recordings.

    Args:
        start: checkpoint before, share 0.
        rewarded: checkpoint after, share 1.
        path: where the result is written, in half precision.
        share: of `rewarded`, 0 to 1.

    Raises:
        InputError: for separators of two configurations.
    """
    first, last = (checkpoint.load(each, "separator") for each in (start, rewarded))
    ours, theirs = (configs.from_dict(each.meta["config"]) for each in (first, last))
    if (ours.encoder, ours.signal, ours.separator) != (
        theirs.encoder,
        theirs.signal,
        theirs.separator,
    ):
        fail(
            f"checkpoint {rewarded}",
            f"has another configuration than {start}",
            "blend a separator with its own start",
        )
    weights, tensors = first.part("separator"), last.part("separator")
    for name, value in tensors.items():
        if value.is_floating_point():
            tensors[name] = torch.lerp(weights[name].float(), value.float(), share)
    _save_separator(path, tensors, {**last.meta, "rewarded": share})


def _save_separator(path: Path, weights: dict[str, torch.Tensor], meta: dict) -> None:
    checkpoint.save(path, halves({f"separator.{k}": v for k, v in weights.items()}), meta)


def halves(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Floating-point tensors in half precision, counters as they are."""
    return {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}


def make_minibind(work: Path, music: Music, device: str, seed: int = 0) -> MiniBind:
    """The three trunks, each kept in `work` once it is trained, then the heads."""
    torch.manual_seed(seed)
    encoder = MiniBind().to(device)
    classes = sound_classes()
    batches = {
        "audio": minibind_trunks.audio_batches(music, BATCH["audio"], seed),
        "image": minibind_trunks.image_batches(classes, BATCH["image"], seed),
        "text": minibind_trunks.text_batches(classes, BATCH["text"], seed),
    }
    for name in MODALITIES:
        path, steps = work / f"{name}-trunk.safetensors", TRUNK_STEPS[name]
        ours = identity(
            modality=name, steps=steps, batch=BATCH[name], seed=seed, data=music.fingerprint()
        )
        if path.is_file():
            saved = checkpoint.load(path, "trunk")
            check_identity(f"checkpoint {path}", ours, saved.meta)
            checkpoint.restore(encoder.trunks[name], saved.tensors, str(path))
        else:
            accuracy = minibind_trunks.train_trunk(encoder.trunks[name], batches[name], steps, name)
            meta = {"kind": "trunk", "modality": name, "accuracy": accuracy, "identity": ours}
            checkpoint.save(path, encoder.trunks[name].state_dict(), meta)
    encoder.eval()
    minibind_trunks.train_heads(encoder, batches)
    return encoder
