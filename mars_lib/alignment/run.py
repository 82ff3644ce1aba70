"""All stages in a row, with logs, checkpoints of heads and resume: `mars align`."""

import copy
from dataclasses import asdict
from pathlib import Path

import torch

from mars_lib.alignment.features import (
    MODALITIES,
    Alignable,
    TrunkFeatures,
    trunk_digest,
)
from mars_lib.alignment.stages import STAGES, AlignmentConfig, check_stages, train_stage
from mars_lib.check import fail
from mars_lib.io import checkpoint
from mars_lib.training.log import RunLog
from mars_lib.training.mlbp import fit_mlbp, mlbp_meta
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.run_folder import check_identity, claimed, digest, identity


def align(
    encoder: Alignable,
    train: TrunkFeatures,
    validation: TrunkFeatures,
    folder: str | Path,
    config: AlignmentConfig = AlignmentConfig(),
    *,
    stages: tuple[str, ...] = STAGES,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Path]:
    """Train `stages` in their order, each from the best of the one before; the encoder ends with
    the last one's heads.

    Writes `folder/<stage>.safetensors` and `<stage>/metrics.csv` as each stage ends, and after the
    third or the control the fusion of modalities that fits these heads (`fusion_of`); returns the
    paths, that of the fusion as "mlbp". With `resume` a stage whose file is there is read instead
    of trained; one that was interrupted begins again, since it takes seconds. Raises `InputError`
    for an unknown stage, for features or heads of another trunk; for a folder that holds stages
    already, unless they are to be resumed or (`overwrite`) made anew; and for stages there that
    differ in options, data, first heads or version of the code.
    """
    check_stages(stages)
    own = trunk_digest(encoder)
    for features in (train, validation):
        if features.key.split("-")[0] != own:
            fail(
                "trunk features",
                "are of another trunk",
                "make them with this encoder (trunk_features)",
            )
    with claimed(
        Path(folder), resume=resume, overwrite=overwrite, holds=(*stages, f"{stages[-1]}-mlbp")
    ):
        return _align(encoder, train, validation, Path(folder), config, stages, resume, progress)


def _align(
    encoder: Alignable,
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
        log = RunLog(folder / stage, ("loss", "temperature", "validation_loss"))
        try:
            best = train_stage(
                encoder, stage, train, validation, config, log=log.write, progress=progress
            )
        finally:
            log.close()
        save_heads(encoder, path, stage=stage, identity=ours, **best)
    if stages[-1] in (STAGES[-1], "one-stage"):
        paths["mlbp"] = fusion_of(paths[stages[-1]])
        if resume and paths["mlbp"].is_file():
            check_identity(
                f"checkpoint {paths['mlbp']}", ours, checkpoint.load(paths["mlbp"], "mlbp").meta
            )
        else:
            bank = query_bank(encoder, train)
            size = min(config.batch_size, len(train.names))
            temperature = encoder.log_temperature
            pooling = fit_mlbp(
                bank,
                float(temperature.exp()),
                batch_size=size,
                progress=progress,
                device=temperature.device,
            )
            checkpoint.save(
                paths["mlbp"], pooling.state_dict(), mlbp_meta(pooling) | {"identity": ours}
            )
    return paths


def fusion_of(heads: Path) -> Path:
    """Where the fusion of modalities lies that fits a file of heads: beside it, and named after it.

    >>> fusion_of(Path("runs/align/stage3.safetensors")).name
    'stage3-mlbp.safetensors'
    """
    return heads.with_stem(f"{heads.stem}-mlbp")


def with_trainable_heads(encoder: Alignable) -> Alignable:
    """The same trunks, shared and not copied, under heads and a temperature of its own: two
    encoders in little more memory than one.
    """
    twin = copy.copy(encoder)
    twin._modules = encoder._modules | {"heads": copy.deepcopy(encoder.heads)}
    twin._parameters = encoder._parameters | {
        "log_temperature": copy.deepcopy(encoder.log_temperature)
    }
    return twin


@torch.no_grad()
def query_bank(encoder: Alignable, features: TrunkFeatures) -> QueryBank:
    """Embeddings of features with an encoder's present heads; words stand in for pictures that a
    class lacks.
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
    recordings = [[each for each in row for _ in range(count)] for row, count in zip(of, variants)]
    return QueryBank(pools, recordings, features.names)


def heads(encoder: Alignable) -> dict[str, torch.Tensor]:
    """What alignment changes of an encoder: its heads and its temperature, by name."""
    named = {f"heads.{name}": tensor for name, tensor in encoder.heads.state_dict().items()}
    return named | {"log_temperature": encoder.log_temperature.detach()}


def save_heads(encoder: Alignable, path: str | Path, **meta) -> None:
    """Write heads and temperature, with the digest of the trunks that they stand on."""
    checkpoint.save(
        path, heads(encoder), {"kind": "heads", "trunks": trunk_digest(encoder), **meta}
    )


def load_heads(encoder: Alignable, path: str | Path, ours: dict | None = None) -> None:
    """Put heads and temperature from a file onto an encoder. Raises `InputError` for a file of
    another trunk or, with the identity `ours` (`mars_lib.training.run_folder`), of another run.
    """
    saved = checkpoint.load(path, "heads")
    if ours is not None:
        check_identity(f"checkpoint {path}", ours, saved.meta)
    if saved.meta["trunks"] != trunk_digest(encoder):
        fail(f"checkpoint {path}", "belongs to another trunk", "align this encoder (mars align)")
    checkpoint.restore_heads(encoder, saved, f"checkpoint {path}")
