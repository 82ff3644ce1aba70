"""How MiniBind2 is made, from nothing: `mars checkpoints --only words,minibind2`.

Its audio trunk learns to name what sounds, then to prefer what is cleaner; its text trunk learns
from descriptions; its picture trunk comes as it is. Then the heads meet, by family.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from mars_lib.data.fingerprint import digest
from mars_lib.data.music import Music
from mars_lib.data.synthesis.classes import descriptions
from mars_lib.encoders.minibind2 import MiniBind2
from mars_lib.encoders.sound_trunk import FEATURES
from mars_lib.experiments.checkpoint_parts import kept
from mars_lib.experiments.richer_music import RicherMusic
from mars_lib.io import checkpoint
from mars_lib.training import minibind_trunks
from mars_lib.training.minibind_trunks import Batch, train_classifier
from mars_lib.training.naming import Naming, sound_batches, train_naming
from mars_lib.training.preference import Scenes, train_preference
from mars_lib.training.run_folder import identity
from mars_lib.training.word_batches import word_batches

PARTS = ("naming", "preference", "words")
STEPS = {"naming": 2_600, "preference": 1_200, "words": 1_500}
BATCH = {"naming": 48, "preference": 16, "names": 24, "words": 64, "heads": 48}
TILT = 0.2  # of the pictures that heads learn from
# Batches of features that the heads' training goes round.
ROUNDS = 12


def make_minibind2(work: Path, music: RicherMusic, device: str, seed: int = 0) -> MiniBind2:
    """The trunks, each part kept in `work` once it is trained, then the heads."""
    torch.manual_seed(seed)
    encoder, classes = MiniBind2().to(device), tuple(music.classes("train"))
    naming = Naming(encoder.trunks["audio"], FEATURES, len(classes)).to(device)
    naming.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def name() -> None:
        train_naming(naming, sound_batches(music, BATCH["naming"], seed), STEPS["naming"])

    def prefer() -> None:
        scenes = Scenes(music, BATCH["preference"], seed, device)
        names = sound_batches(music, BATCH["names"], seed + 2)
        train_preference(naming, scenes, names, STEPS["preference"])

    words = _OnWords(encoder.trunks["text"], len(classes)).to(device)

    def describe() -> None:
        batches = word_batches(classes, BATCH["words"], seed)
        train_classifier(words, batches, STEPS["words"], "words", half=False)

    parts = zip(PARTS, (naming, naming, words), (name, prefer, describe), strict=True)
    for part, module, train in parts:
        torch.manual_seed(seed)  # whatever was trained before, or only read
        data = digest(descriptions()) if part == "words" else music.music.fingerprint()
        ours = identity(modality=part, steps=STEPS[part], batch=BATCH, seed=seed, data=data)
        path = work / f"minibind2-{part}.safetensors"
        saved = kept(path, ours, partial(_trained, module, train, part))
        checkpoint.restore(module, saved.tensors, str(path))
    encoder.eval()
    minibind_trunks.train_heads(encoder, _batches(music, device, seed), rounds=ROUNDS)
    return encoder


def _trained(
    module: nn.Module, train: Callable[[], None], part: str
) -> tuple[dict[str, torch.Tensor], dict]:
    """Train a part: its tensors, and what their file says."""
    train()
    return module.state_dict(), {"kind": "trunk", "modality": part}


def _batches(music: Music, device: str, seed: int) -> dict[str, Batch]:
    """Sounds by their loudest source, drawings and texts of all classes, for the heads."""
    classes, size = tuple(music.classes("train")), BATCH["heads"]
    shown = [music.pictures(sound, "train") for sound in classes]
    shared = sound_batches(music, size, seed + 1)  # other draws than the trunk was trained on

    def sounds(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        waves, shares = shared(step)
        return waves, shares.argmax(dim=1)

    return {
        "audio": sounds,
        "image": minibind_trunks.image_batches(shown, size, seed, device, TILT),
        "text": word_batches(classes, size, seed),
    }


class _OnWords(nn.Module):
    """The text trunk and a linear classifier of its features, which is thrown away."""

    def __init__(self, trunk: nn.Module, classes: int):
        super().__init__()
        self.trunk, self.linear = trunk, nn.Linear(FEATURES, classes)

    def forward(self, texts: list[str]) -> torch.Tensor:
        features = functional.normalize(self.trunk(texts), dim=-1)
        return self.linear(features * FEATURES**0.5)
