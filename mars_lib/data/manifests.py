"""Fixed test sets as JSON lines: which clips, at which gains, queried how.

Tables can be made again from them.
"""

import hashlib
import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mars_lib.check import fail
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.music import Music
from mars_lib.data.pictures import HELD_OUT
from mars_lib.data.synthesis import soundfonts
from mars_lib.data.synthesis.classes import SoundClass, sound_classes
from mars_lib.io import assets
from mars_lib.waveform import mix

LENGTH = 32_767
SPLITS = ("test", "unseen")


@dataclass(frozen=True)
class TestMixture:
    """One row: a mixture of N sources and the queries of each.

    Attributes:
        split: "test" or "unseen".
        classes: the name of each source's class.
        clips: the number of each source's clip.
        gains: of each source.
        query_clips: the number of the clip that queries each source, never its own.
        query_drawings: the drawing that queries each source.
        checksum: of the mixture in 16-bit samples.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    split: str
    classes: tuple[str, ...]
    clips: tuple[int, ...]
    gains: tuple[float, ...]
    query_clips: tuple[int, ...]
    query_drawings: tuple[str, ...]
    checksum: str = ""

    def sounds(self) -> list[SoundClass]:
        """Its classes, by name."""
        known = {sound.name: sound for sound in sound_classes()}
        return [known[name] for name in self.classes]


def music() -> MiniMusic:
    """mini-MUSIC for the manifests: listed soundfonts alone, nothing augmented."""
    fonts = soundfonts.find(listed_only=True)
    return MiniMusic(tuple(fonts), LENGTH)


def make(split: str, count: int, classes: list[SoundClass], seed: int = 0) -> list[TestMixture]:
    """`count` random mixtures of two different classes each, every class equally often first.

    What the fixed sets were made by; their rows have `checksum` of what `render` gave beside.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    rows = []
    for i in range(count):
        target = classes[i % len(classes)]
        others = [sound for sound in classes if sound != target]
        pair = (target, others[rng.integers(len(others))])
        numbers = [int(n) for n in rng.integers(1_000_000, size=4)]
        row = TestMixture(
            split,
            tuple(sound.name for sound in pair),
            (numbers[0], numbers[1]),
            tuple(round(float(g), 3) for g in rng.uniform(0.5, 1.5, 2)),
            (1_000_000 + numbers[2], 1_000_000 + numbers[3]),
            tuple(str(rng.choice(HELD_OUT)) for _ in pair),
        )
        rows.append(row)
    return rows


def render(row: TestMixture, music: Music[SoundClass]) -> tuple[torch.Tensor, torch.Tensor]:
    """((L,) mixture, (N, L) references) of a row."""
    clips = [music.clip(row.split, s, n) for s, n in zip(row.sounds(), row.clips)]
    return mix(torch.from_numpy(np.stack(clips)), torch.tensor(row.gains))


def checksum(mixture: torch.Tensor) -> str:
    """First 12 digits of the SHA-256 of the mixture in 16-bit samples."""
    samples = (mixture.numpy() * 32_767).round().astype("<i2")
    return hashlib.sha256(samples.tobytes()).hexdigest()[:12]


def verify(rows: list[TestMixture], mixtures: list[torch.Tensor]) -> int:
    """How many mixtures differ from the manifest's; warns when there are any."""
    wrong = sum(checksum(x) != row.checksum for row, x in zip(rows, mixtures) if row.checksum)
    if wrong:
        warnings.warn(
            f"{wrong} of {len(rows)} mixtures are not those of the manifest bit for bit: another "
            "processor or library version renders slightly differently; means stay comparable",
            stacklevel=2,
        )
    return wrong


def read(split: str) -> list[TestMixture]:
    """The manifest of the repository for "test" or "unseen"."""
    if split not in SPLITS:
        fail("split", f"is {split!r}", f"give one of {', '.join(SPLITS)}")
    text = (assets.folder() / "manifests" / f"{split}.jsonl").read_text(encoding="utf-8")
    return [_row(json.loads(line)) for line in text.splitlines()]


def _row(said: dict[str, Any]) -> TestMixture:
    """A line of a manifest, JSON's lists as tuples."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
    return TestMixture(**values)


def example(*names: str, split: str = "test", clip: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """One mixture of the named classes at equal gains: ((L,) mixture, (N, L) references).

    Raises `InputError` for a name that is no class of mini-MUSIC.
    """
    known = {sound.name: sound for sound in sound_classes()}
    unknown = [name for name in names if name not in known]
    if unknown:
        fail(f"class {unknown[0]!r}", "is not known", f"give one of {', '.join(known)}")
    source = music()
    clips = [source.clip(split, known[name], clip) for name in names]
    return mix(torch.from_numpy(np.stack(clips)), torch.ones(len(names)))
