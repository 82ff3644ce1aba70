"""All stages in a row, with logs, checkpoints of heads and resume: `mars align`."""

import copy
from collections.abc import Hashable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import torch

from mars_lib.alignment.features import MODALITIES, TrunkFeatures, trunk_digest
from mars_lib.alignment.stages import (
    DEFAULTS,
    STAGES,
    AlignmentConfig,
    check_stages,
    train_stage,
)
from mars_lib.check import fail
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.encoders.projection import restore_heads
from mars_lib.io import checkpoint
from mars_lib.training.log import RunLog
from mars_lib.training.mlbp import fit_mlbp, mlbp_meta
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.run_folder import check_identity, claimed, digest, identity


def align(
    encoder: TrainableEncoder,
    train: TrunkFeatures,
    validation: TrunkFeatures,
    folder: str | Path,
    config: AlignmentConfig = DEFAULTS,
    *,
    stages: tuple[str, ...] = STAGES,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Path]:
    """Train stages in their order, each from the best state of the one before.

    Writes `folder/<stage>.safetensors` and `<stage>/metrics.csv` as each stage ends, and after the
    third or the control the fusion of modalities that fits these heads (`fusion_of`).

    Args:
        encoder: whose heads are trained; it ends with those of the last stage.
        train: features to train on.
        validation: features to choose the best states by.
        folder: where everything is written.
        config: everything that the paper leaves open.
        stages: of `mars_lib.alignment.stages.TRAINED`.
        resume: whether a stage whose file is there is read instead of trained; one that was
            interrupted begins again, since it takes seconds.
        overwrite: whether stages that are there are made anew.
        progress: whether to show progress bars.

    Returns:
        The paths by stage, that of the fusion as "mlbp".

    Raises:
        InputError: for an unknown stage, for features or heads of another trunk; for a folder that
            holds stages already, unless `resume` or `overwrite`; and for stages there that differ
            in options, data, first heads or version of the code.
    """
    check_stages(stages)
    own = trunk_digest(encoder)
    for features in (train, validation):
        if features.key.split("-")[0] != own:
            remedy = "make them with this encoder (trunk_features)"
            fail("trunk features", "are of another trunk", remedy)
    folder, files = Path(folder), (*stages, f"{stages[-1]}-mlbp")
    with claimed(folder, resume=resume, overwrite=overwrite, holds=files):
        return _align(encoder, train, validation, folder, config, stages, resume, progress)


def _align(
    encoder: TrainableEncoder,
    train: TrunkFeatures,
    validation: TrunkFeatures,
    folder: Path,
    config: AlignmentConfig,
    stages: tuple[str, ...],
    resume: bool,
    progress: bool,
) -> dict[str, Path]:
    paths = {}
    ours = identity(
        options=asdict(config),
        train=train.key,
        validation=validation.key,
        start=digest(heads(encoder)),
        stages=[],
    )
    for stage in stages:
        ours["stages"] = [*ours["stages"], stage]
        paths[stage] = path = folder / f"{stage}.safetensors"
        if resume and path.is_file():
            load_heads(encoder, path, ours)
            continue
        with closing(RunLog(folder / stage, ("loss", "temperature", "validation_loss"))) as log:
            best = train_stage(
                encoder, stage, train, validation, config, log=log.write, progress=progress
            )
        save_heads(encoder, path, stage=stage, identity=ours, **best)
    if stages[-1] in (STAGES[-1], "one-stage"):
        paths["mlbp"] = path = fusion_of(paths[stages[-1]])
        if resume and path.is_file():
            check_identity(f"checkpoint {path}", ours, checkpoint.load(path, "mlbp").meta)
        else:
            batch_size = min(config.batch_size, len(train.names))
            _fit_fusion(encoder, train, path, batch_size, ours, progress)
    return paths


def _fit_fusion(
    encoder: TrainableEncoder,
    train: TrunkFeatures,
    path: Path,
    batch_size: int,
    ours: dict,
    progress: bool,
) -> None:
    """Train the fusion of modalities for the present heads, and write it."""
    temperature = encoder.log_temperature
    pooling = fit_mlbp(
        query_bank(encoder, train),
        float(temperature.exp()),
        batch_size=batch_size,
        progress=progress,
        device=temperature.device,
    )
    checkpoint.save(path, pooling.state_dict(), mlbp_meta(pooling) | {"identity": ours})


def fusion_of(heads: Path) -> Path:
    """Name the file of the fusion that fits a file of heads: beside it, and named after it.

    >>> fusion_of(Path("runs/align/stage3.safetensors")).name
    'stage3-mlbp.safetensors'
    """
    return heads.with_stem(f"{heads.stem}-mlbp")


def with_trainable_heads(encoder: TrainableEncoder) -> TrainableEncoder:
    """Copy an encoder but for its trunks, which both share.

    Two encoders, with heads and a temperature each, take little more memory than one.
    """
    return copy.deepcopy(encoder, {id(encoder.trunks): encoder.trunks})


@torch.no_grad()
def query_bank(encoder: TrainableEncoder, features: TrunkFeatures) -> QueryBank:
    """Embed trunk features with an encoder's present heads.

    Words stand in for the pictures that a class lacks.
    """
    device = encoder.log_temperature.device
    pools: dict[str, list[torch.Tensor]] = {name: [] for name in MODALITIES}
    for audio, text, image in zip(features.audio, features.text, features.image):
        rows = {"audio": audio.flatten(0, 1), "text": text, "image": image}
        found = {m: encoder.embed_features(m, rows[m].to(device)).cpu() for m in MODALITIES}
        found["image"] = found["image"] if len(image) else found["text"]
        for name in MODALITIES:
            pools[name].append(found[name])
    variants = [audio.shape[1] for audio in features.audio]
    of = [features.recordings_of(i) for i in range(len(variants))]
    recordings: list[Sequence[Hashable]] = [
        [each for each in row for _ in range(count)] for row, count in zip(of, variants)
    ]
    return QueryBank(pools, recordings, features.names)


def heads(encoder: TrainableEncoder) -> dict[str, torch.Tensor]:
    """List what alignment changes of an encoder: its heads and its temperature, by name."""
    named = {f"heads.{name}": tensor for name, tensor in encoder.heads.state_dict().items()}
    return named | {"log_temperature": encoder.log_temperature.detach()}


def save_heads(encoder: TrainableEncoder, path: str | Path, **meta: object) -> None:
    """Write heads and temperature, with the digest of their trunks, and `meta` as plain JSON."""
    meta = {"kind": "heads", "trunks": trunk_digest(encoder), **meta}
    checkpoint.save(path, heads(encoder), meta)


def load_heads(encoder: TrainableEncoder, path: str | Path, ours: dict | None = None) -> None:
    """Put heads and temperature from a file onto an encoder, in place.

    Args:
        encoder: the encoder that gets them.
        path: a file that `save_heads` wrote.
        ours: the identity of the run that the file should be of (`mars_lib.training.run_folder`);
            of any run without it.

    Raises:
        InputError: for a file of another trunk, or of another run.
    """
    saved = checkpoint.load(path, "heads")
    if ours is not None:
        check_identity(f"checkpoint {path}", ours, saved.meta)
    if saved.meta["trunks"] != trunk_digest(encoder):
        fail(f"checkpoint {path}", "belongs to another trunk", "align this encoder (mars align)")
    restore_heads(encoder, saved, f"checkpoint {path}")
