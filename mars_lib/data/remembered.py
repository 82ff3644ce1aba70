"""A data set that renders each clip once in the life of a process: for runs that are compared on the same clips."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mars_lib.data.classes import SoundClass
from mars_lib.data.render import MiniMusic


@dataclass(frozen=True)
class Remembered:
    """`music` with a memory, shared by all that `dataclasses.replace` makes of it. 130 kB a clip of two seconds."""

    music: MiniMusic
    # Fields of `music` that training replaces; 0 and none here mean its own.
    length: int = 0
    augment: float = 0.0
    clips: dict = field(default_factory=dict, compare=False, repr=False)

    def classes(self, split: str) -> list[SoundClass]:
        return self.music.classes(split)

    def pictures(self, sound: SoundClass, split: str) -> list[Path]:
        return self.music.pictures(sound, split)

    def fingerprint(self) -> str:
        return self._own().fingerprint()

    def _own(self) -> MiniMusic:
        return replace(self.music, augment=self.augment, length=self.length or self.music.length)

    def clip(self, split: str, sound: SoundClass, index: int) -> np.ndarray:
        key = (split, sound.name, index, self.augment, self.length)
        if key not in self.clips:
            self.clips[key] = self._own().clip(split, sound, index)
        return self.clips[key]
