"""Trunk features, computed once: alignment leaves the trunks frozen and never runs them again."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import nn
from tqdm.std import tqdm

from mars_lib.check import InputError, fail
from mars_lib.config import VERSION
from mars_lib.data import random_streams
from mars_lib.data.music import Music
from mars_lib.data.pictures import augment_pictures, load_picture, load_rgba
from mars_lib.data.pooled_music import make_ready
from mars_lib.data.synthesis.classes import SoundClass
from mars_lib.data.variation import Chains, vary
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.io import checkpoint
from mars_lib.io.paths import GB, check_disk
from mars_lib.io.published_weights import fingerprint

MODALITIES = ("audio", "text", "image")
HELD_OUT = ("test", "unseen")  # splits whose examples are never augmented
# Its clips are the same for every seed: features are kept.
ALIGNMENT_CLIPS = random_streams.Stream("alignment clips")
# Part of every key: raise it when clips, variants or pictures are drawn in another way.
DRAWING = 2


@dataclass(frozen=True)
class TrunkFeatures:
    """What the trunks make of the examples of every class, one entry of each list a class.

    Attributes:
        names: of the classes.
        audio: (clips, variants, width) each; the first variant is the clip as it was rendered, the
            others are augmented.
        text: (prompts, width) each.
        image: (drawings, width) each; no rows where a class has none.
        key: says of which trunks and data the features are.
        recordings: (clips,) each, one number for all clips of one recording; without it each clip
            is of another recording.
    """

    names: tuple[str, ...]
    audio: list[torch.Tensor]
    text: list[torch.Tensor]
    image: list[torch.Tensor]
    key: str
    recordings: list[torch.Tensor] | None = None

    def recordings_of(self, label: int) -> list[int]:
        """Tell of which recording each clip of a class is."""
        if self.recordings is None:
            return list(range(len(self.audio[label])))
        return self.recordings[label].tolist()

    def having(self, modality: str) -> list[int]:
        """List the places of the classes that have anything in a modality."""
        return [i for i, rows in enumerate(getattr(self, modality)) if len(rows)]


class _ClassFeatures(NamedTuple):
    """What `TrunkFeatures` has of one class."""

    audio: torch.Tensor
    text: torch.Tensor
    image: torch.Tensor
    recordings: torch.Tensor


def trunk_features(
    encoder: TrainableEncoder,
    music: Music,
    split: str,
    *,
    clips: int = 32,
    variants: int = 3,
    folder: str | Path | None = None,
    progress: bool = True,
) -> TrunkFeatures:
    """Run the trunks over clips, prompts and drawings of every class of a split.

    Of the drawings `clips * variants` augmented ones are drawn, but in the held-out splits each is
    used once as it is, and so is each clip. Time grows linearly with the number of clips.

    Args:
        encoder: whose trunks run.
        music: the data set.
        split: "train", "validation", "test" or "unseen".
        clips: of every class.
        variants: of each clip, all but the first augmented.
        folder: where features are kept, and found again as long as trunks and data are the same; a
            file of other trunks or data, or a damaged one, is made anew.
        progress: whether to show a progress bar.

    Raises:
        InputError: for `clips` or `variants` below 1.
    """
    if clips < 1 or variants < 1:
        fail("clips and variants", f"are {clips} and {variants}", "give 1 or more of each")
    variants = 1 if split in HELD_OUT else variants
    classes = music.classes(split)
    key = _key(encoder, music, split, classes, clips, variants)
    path = None if folder is None else Path(folder) / f"features-{split}.safetensors"
    if path is not None and path.is_file():
        with suppress(InputError):
            return _load(path, key)
    make_ready(music, split, ALIGNMENT_CLIPS, clips)
    bar = tqdm(classes, f"trunk features, {split}", unit="class", disable=not progress)
    rows = [_class_features(encoder, music, split, sound, clips, variants) for sound in bar]
    audio, text, image, recordings = (list(column) for column in zip(*rows))
    names = tuple(sound.name for sound in classes)
    made = TrunkFeatures(names, audio, text, image, key, recordings)
    if path is None:
        return made
    _save(path, made)
    return _load(path, key)  # what a later run will find, rounded in the same way


def _class_features(
    encoder: TrainableEncoder,
    music: Music,
    split: str,
    sound: SoundClass,
    clips: int,
    variants: int,
) -> _ClassFeatures:
    return _ClassFeatures(
        _audio_features(encoder, music, split, sound, clips, variants),
        _run(encoder, "text", sound.prompts()),
        _image_features(encoder, music, split, sound, clips * variants),
        _recordings(music, split, sound, clips),
    )


def _image_features(
    encoder: TrainableEncoder, music: Music, split: str, sound: SoundClass, count: int
) -> torch.Tensor:
    """Features of a class's drawings: `count` augmented ones, or of a held-out split all as are."""
    files = music.pictures(sound, split)
    if not files:
        return torch.zeros(0, cast(nn.Linear, encoder.heads["image"]).in_features)
    if split in HELD_OUT:
        return _run(encoder, "image", torch.stack([load_picture(path) for path in files]))
    device = encoder.log_temperature.device
    generator = random_streams.generator("alignment pictures", 0, split, sound.name, device=device)
    picks = torch.randint(len(files), (count,), generator=generator, device=device)
    drawings = torch.stack([load_rgba(path) for path in files]).to(device)
    found = []
    for part in picks.split(32):
        augmented = augment_pictures(drawings[part], generator)
        found.append(_run(encoder, "image", augmented))
    return torch.cat(found)


@torch.no_grad()
def forecast(
    encoder: TrainableEncoder, music: Music, clips: int, variants: int, folder: Path
) -> str:
    """Say in one line what the features of "train" and "validation" will need.

    It is measured by one sound and one picture: rows, disk, memory and minutes.

    Args:
        encoder: whose trunks run.
        music: the data set.
        clips: of every class.
        variants: of each clip.
        folder: where the features will be kept.

    Raises:
        InputError: where the disk cannot hold them.
    """
    rows = clips * variants * sum(len(music.classes(split)) for split in ("train", "validation"))
    widths, seconds = 0, 0.0
    for modality, shape in (("audio", (1, music.length)), ("image", (1, 3, 224, 224))):
        _run(encoder, modality, torch.rand(shape))  # the first call allocates
        begun = time.perf_counter()
        widths += _run(encoder, modality, torch.rand(shape)).shape[-1]
        seconds += time.perf_counter() - begun
    # Half precision on disk, float32 in memory.
    free = check_disk(folder, 2 * rows * widths, "trunk features")
    return (
        f"{rows:,} sounds and at most as many pictures through the trunks: "
        f"{rows * seconds / 60:.1f} minutes at most, not counted what it takes to render or read "
        f"them; features {2 * rows * widths / GB:.2f} GB on disk ({free / GB:.0f} GB free), "
        "twice that in memory"
    )


def _audio_features(
    encoder: TrainableEncoder,
    music: Music,
    split: str,
    sound: SoundClass,
    clips: int,
    variants: int,
) -> torch.Tensor:
    """Of clips as they are and augmented: (clips, variants, width)."""
    waves = np.stack([music.clip(split, sound, i, ALIGNMENT_CLIPS) for i in range(clips)])
    plain = torch.from_numpy(waves).to(encoder.log_temperature.device)
    rng = random_streams.rng("alignment takes", 0, split, sound.name)
    takes = [plain, *(vary(plain, Chains.draw(rng, clips)) for _ in range(variants - 1))]
    return torch.stack([_run(encoder, "audio", take) for take in takes], dim=1)


def _recordings(music: Music, split: str, sound: SoundClass, clips: int) -> torch.Tensor:
    """(clips,): for every clip the number of the first clip of the same recording."""
    found = [music.recording(split, sound, i, ALIGNMENT_CLIPS) for i in range(clips)]
    return torch.tensor([found.index(each) for each in found])


@torch.no_grad()
def _run(
    encoder: TrainableEncoder, modality: str, examples: torch.Tensor | Sequence[str]
) -> torch.Tensor:
    if isinstance(examples, torch.Tensor):
        examples = examples.to(encoder.log_temperature.device)
    return encoder.trunks[modality](examples).float().cpu()


def _save(path: Path, features: TrunkFeatures) -> None:
    columns = {m: [rows.half() for rows in getattr(features, m)] for m in MODALITIES}
    columns["recording"] = features.recordings or []
    tensors = {f"{m}.{i}": each for m, column in columns.items() for i, each in enumerate(column)}
    meta = {"kind": "features", "key": features.key, "names": features.names}
    checkpoint.save(path, tensors, meta)


def _load(path: Path, key: str) -> TrunkFeatures:
    """Read kept features. Raises `InputError` for a damaged file and for another key."""
    saved = checkpoint.load(path, "features")
    if saved.meta["key"] != key:
        fail(f"features {path}", "are of other trunks or data", "make them again")
    names = tuple(saved.meta["names"])
    audio, text, image = (
        [saved.tensors[f"{m}.{i}"].float() for i in range(len(names))] for m in MODALITIES
    )
    recordings = [saved.tensors[f"recording.{i}"] for i in range(len(names))]
    return TrunkFeatures(names, audio, text, image, key, recordings)


def trunk_digest(encoder: TrainableEncoder) -> str:
    """Digest the trunks' weights: it tells apart features and heads of other trunks."""
    return fingerprint(encoder.trunks)[:12]


def _key(
    encoder: TrainableEncoder,
    music: Music,
    split: str,
    classes: list[SoundClass],
    clips: int,
    variants: int,
) -> str:
    """What features are made by, and of: the digest of the trunks, then that of data and code."""
    prompts = {sound.name: sound.prompts() for sound in classes}
    said = json.dumps([VERSION, DRAWING, split, clips, variants, prompts, music.fingerprint()])
    return f"{trunk_digest(encoder)}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
