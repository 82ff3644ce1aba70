"""Trunk features, computed once: alignment leaves the trunks frozen and never runs them again."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
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
from mars_lib.io.published_weights import fingerprint

MODALITIES = ("audio", "text", "image")
HELD_OUT = ("test", "unseen")  # splits whose examples are never augmented
# Its clips are the same for every seed: features are kept.
ALIGNMENT_CLIPS = random_streams.Stream("alignment clips")
# dB of what contaminates a clip against the clip: a little, and much.
CONTAMINATION = (-25, -10), (-6, 6)
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
        contaminated: (clips, 2, width) each, every clip with a little and with much of a clip of
            another class; None where they were not asked for.
    """

    names: tuple[str, ...]
    audio: list[torch.Tensor]
    text: list[torch.Tensor]
    image: list[torch.Tensor]
    key: str
    recordings: list[torch.Tensor] | None = None
    contaminated: list[torch.Tensor] | None = None

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
    contaminated: bool = False,
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
        contaminated: whether clips go through the trunk with others too, for hard negatives.
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
    key = _key(encoder, music, split, classes, clips, variants, contaminated)
    path = None if folder is None else Path(folder) / f"features-{split}.safetensors"
    if path is not None and path.is_file():
        with suppress(InputError):
            return _load(path, key)
    make_ready(music, split, ALIGNMENT_CLIPS, clips)
    bar = tqdm(classes, f"trunk features, {split}", unit="class", disable=not progress)
    found = [_class_features(encoder, music, split, sound, clips, variants) for sound in bar]
    audio, text, image, recordings = (list(column) for column in zip(*found))
    names = tuple(sound.name for sound in classes)
    made = TrunkFeatures(names, audio, text, image, key, recordings)
    if contaminated:
        bar = tqdm(classes, f"contaminated, {split}", unit="class", disable=not progress)
        mixed = [_contaminated(encoder, music, split, sound, classes, clips) for sound in bar]
        made = replace(made, contaminated=mixed)
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
        through_trunk(encoder, "text", sound.prompts()),
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
        return through_trunk(encoder, "image", torch.stack([load_picture(path) for path in files]))
    device = encoder.log_temperature.device
    generator = random_streams.generator("alignment pictures", 0, split, sound.name, device=device)
    picks = torch.randint(len(files), (count,), generator=generator, device=device)
    drawings = torch.stack([load_rgba(path) for path in files]).to(device)
    found = []
    for part in picks.split(32):
        augmented = augment_pictures(drawings[part], generator)
        found.append(through_trunk(encoder, "image", augmented))
    return torch.cat(found)


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
    return torch.stack([through_trunk(encoder, "audio", take) for take in takes], dim=1)


def _contaminated(
    encoder: TrainableEncoder,
    music: Music,
    split: str,
    sound: SoundClass,
    classes: list[SoundClass],
    clips: int,
) -> torch.Tensor:
    """Of clips with a clip of another class beside them, of both levels: (clips, 2, width)."""
    rng = random_streams.rng("alignment takes", 0, split, "contaminated", sound.name)
    others = [each for each in classes if each.name != sound.name]
    picks = rng.integers([[len(others)], [clips]], size=(2, clips))
    wanted = np.stack([music.clip(split, sound, i, ALIGNMENT_CLIPS) for i in range(clips)])
    beside = np.stack(
        [music.clip(split, others[k], int(i), ALIGNMENT_CLIPS) for k, i in zip(*picks)]
    )
    found = []
    for low, high in CONTAMINATION:
        gain = 10 ** (rng.uniform(low, high, (clips, 1)) / 20)
        mixed = torch.from_numpy(wanted + gain * beside).float()
        found.append(through_trunk(encoder, "audio", mixed))
    return torch.stack(found, dim=1)


def _recordings(music: Music, split: str, sound: SoundClass, clips: int) -> torch.Tensor:
    """(clips,): for every clip the number of the first clip of the same recording."""
    found = [music.recording(split, sound, i, ALIGNMENT_CLIPS) for i in range(clips)]
    return torch.tensor([found.index(each) for each in found])


@torch.no_grad()
def through_trunk(
    encoder: TrainableEncoder, modality: str, examples: torch.Tensor | Sequence[str]
) -> torch.Tensor:
    """Examples of one modality through its trunk, wherever that is: (B, width) on the CPU."""
    if isinstance(examples, torch.Tensor):
        examples = examples.to(encoder.log_temperature.device)
    return encoder.trunks[modality](examples).float().cpu()


def _save(path: Path, features: TrunkFeatures) -> None:
    columns = {m: [rows.half() for rows in getattr(features, m)] for m in MODALITIES}
    columns["recording"] = features.recordings or []
    columns["contaminated"] = [rows.half() for rows in features.contaminated or []]
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
    mixed = [saved.tensors.get(f"contaminated.{i}") for i in range(len(names))]
    contaminated = [rows.float() for rows in mixed if rows is not None] or None
    return TrunkFeatures(names, audio, text, image, key, recordings, contaminated)


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
    contaminated: bool,
) -> str:
    """What features are made by, and of: the digest of the trunks, then that of data and code."""
    prompts = {sound.name: sound.prompts() for sound in classes}
    counts = [split, clips, variants, *(CONTAMINATION if contaminated else ())]
    said = json.dumps([VERSION, DRAWING, *counts, prompts, music.fingerprint()])
    return f"{trunk_digest(encoder)}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
