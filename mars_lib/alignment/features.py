"""Trunk features, computed once: the trunks are frozen in all stages, so alignment never runs them
again.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn
from tqdm.std import tqdm

from mars_lib.check import InputError, fail
from mars_lib.config import VERSION
from mars_lib.data import random_streams
from mars_lib.data.mini_music import level
from mars_lib.data.music import Music
from mars_lib.data.pictures import augment_pictures, load_picture, load_rgba
from mars_lib.data.variation import vary
from mars_lib.io import checkpoint
from mars_lib.io.published_weights import fingerprint
from mars_lib.training.budget import GB, check_disk

MODALITIES = ("audio", "text", "image")
# Its clips are the same for every seed: features are kept.
ALIGNMENT_CLIPS = random_streams.Stream("alignment clips")
# Part of every key: raise it when clips, variants or pictures are drawn in another way.
DRAWING = 1


class Alignable(Protocol):
    """What alignment needs of an encoder: frozen trunks, a head a modality, one temperature."""

    trunks: nn.ModuleDict
    heads: nn.ModuleDict
    log_temperature: nn.Parameter

    def embed_features(self, modality: str, features: torch.Tensor) -> torch.Tensor:
        """Trunk features (B, F) through the modality's head -> (B, D), unit norm."""


@dataclass(frozen=True)
class TrunkFeatures:
    """Features of every class, one entry of each list a class; F is the trunk's width.

    `audio` (K, V, F): K clips in V variants, the first as it was rendered, the others varied. `text`
    (P, F): prompts. `image` (M, F): drawings; M is 0 where a class has none. `key` says of which
    trunks and data they are. `recordings` (K,) has one number for all clips of one recording;
    without it each clip is of another.
    """

    names: tuple[str, ...]
    audio: list[torch.Tensor]
    text: list[torch.Tensor]
    image: list[torch.Tensor]
    key: str
    recordings: list[torch.Tensor] | None = None

    def recordings_of(self, label: int) -> list[int]:
        """Of which recording each clip of a class is."""
        if self.recordings is None:
            return list(range(len(self.audio[label])))
        return self.recordings[label].tolist()

    def having(self, modality: str) -> list[int]:
        """Places of the classes that have anything in a modality."""
        return [i for i, rows in enumerate(getattr(self, modality)) if len(rows)]


def trunk_features(
    encoder: Alignable,
    music: Music,
    split: str,
    *,
    clips: int = 32,
    variants: int = 3,
    folder: str | Path | None = None,
    progress: bool = True,
) -> TrunkFeatures:
    """Run the trunks over `clips` clips of every class in `variants` variants, its prompts and its
    drawings.

    Drawings are varied `variants` times as often as clips are, but for the held-out splits, where each
    is taken as it is, and so is each clip. With `folder` the features are kept there and found
    again as long as trunks and data are the same; a file of other trunks or data, or a damaged one,
    is made anew. Time grows linearly with the number of clips.
    """
    if clips < 1 or variants < 1:
        fail("clips and variants", f"are {clips} and {variants}", "give 1 or more of each")
    plain, held_out = replace(music, augment=0.0), split in ("test", "unseen")
    variants = 1 if held_out else variants
    classes = music.classes(split)
    key = _key(encoder, plain, split, classes, clips, variants)
    path = None if folder is None else Path(folder) / f"features-{split}.safetensors"
    if path is not None and path.is_file():
        found = _load(path, key)
        if found is not None:
            return found
    rows: dict[str, list] = {name: [] for name in (*MODALITIES, "recording")}
    for sound in tqdm(classes, f"trunk features, {split}", unit="class", disable=not progress):
        waves = np.stack([_variants(plain, split, sound, i, variants) for i in range(clips)])
        rows["recording"].append(_recordings(plain, split, sound, clips))
        audio = _run(encoder, "audio", torch.from_numpy(waves).flatten(0, 1))
        rows["audio"].append(audio.reshape(clips, variants, -1))
        rows["text"].append(_run(encoder, "text", sound.prompts()))
        files = music.pictures(sound, split)
        if not files:
            rows["image"].append(audio.new_zeros(0, encoder.heads["image"].in_features))
        elif held_out:
            rows["image"].append(
                _run(encoder, "image", torch.stack([load_picture(path) for path in files]))
            )
        else:
            generator = random_streams.generator("alignment pictures", 0, split, sound.name)
            picks = torch.randint(len(files), (clips * variants,), generator=generator)
            drawn = [load_rgba(path) for path in files]
            rows["image"].append(
                torch.cat(
                    [
                        _run(
                            encoder,
                            "image",
                            augment_pictures(torch.stack([drawn[i] for i in part]), generator),
                        )
                        for part in picks.split(32)
                    ]
                )
            )
    names = tuple(c.name for c in classes)
    made = TrunkFeatures(names, rows["audio"], rows["text"], rows["image"], key, rows["recording"])
    if path is not None:
        tensors = {f"{m}.{i}": rows[m][i].half() for m in MODALITIES for i in range(len(classes))}
        tensors |= {f"recording.{i}": each for i, each in enumerate(rows["recording"])}
        checkpoint.save(path, tensors, {"kind": "features", "key": key, "names": made.names})
        return _load(path, key)  # what a later run will find, rounded in the same way
    return made


@torch.no_grad()
def forecast(encoder: Alignable, music: Music, clips: int, variants: int, folder: Path) -> str:
    """One line on what the features of "train" and "validation" will need, by one sound and one
    picture: rows, disk, memory and minutes.

    Raises `InputError` where the disk cannot hold them.
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
        f"{rows:,} sounds and at most as many pictures through the trunks: {rows * seconds / 60:.1f} minutes at most, not counted what it takes to "
        f"render or read them; features {2 * rows * widths / GB:.2f} GB on disk ({free / GB:.0f} GB free), twice that in memory"
    )


def _variants(music: Music, split: str, sound, index: int, variants: int) -> np.ndarray:
    wave = music.clip(split, sound, index, ALIGNMENT_CLIPS)
    rng = random_streams.rng("alignment takes", 0, split, sound.name, index)
    return np.stack([wave, *(level(vary(wave, rng)) for _ in range(variants - 1))])


def _recordings(music: Music, split: str, sound, clips: int) -> torch.Tensor:
    """(K,): for every clip the number of the first clip of the same recording."""
    found = [music.recording(split, sound, i, ALIGNMENT_CLIPS) for i in range(clips)]
    return torch.tensor([found.index(each) for each in found])


@torch.no_grad()
def _run(encoder: Alignable, modality: str, examples: torch.Tensor | Sequence[str]) -> torch.Tensor:
    if torch.is_tensor(examples):
        examples = examples.to(encoder.log_temperature.device)
    return encoder.trunks[modality](examples).float().cpu()


def _load(path: Path, key: str) -> TrunkFeatures | None:
    try:
        saved = checkpoint.load(path, "features")
        if saved.meta["key"] != key:
            return None
        names = tuple(saved.meta["names"])
        rows = [[saved.tensors[f"{m}.{i}"].float() for i in range(len(names))] for m in MODALITIES]
        recordings = [saved.tensors[f"recording.{i}"] for i in range(len(names))]
    except InputError:
        return None
    return TrunkFeatures(names, *rows, key, recordings)


def trunk_digest(encoder: Alignable) -> str:
    """Digest of the trunks' weights: features and heads of other trunks are told apart by it."""
    return fingerprint(encoder.trunks)[:12]


def _key(
    encoder: Alignable, music: Music, split: str, classes: list, clips: int, variants: int
) -> str:
    """What features are made by, and of: the digest of the trunks, then that of data and code."""
    prompts = {sound.name: sound.prompts() for sound in classes}
    said = json.dumps([VERSION, DRAWING, split, clips, variants, prompts, music.fingerprint()])
    return f"{trunk_digest(encoder)}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
