"""What every data set of sounds offers: rendered instruments, folders, lists of recordings, caches of them."""

from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from mars_lib.data.random_streams import Stream
from mars_lib.data.synthesis.classes import SoundClass


class Music(Protocol):
    """Clips by class, split and index: a clip is a function of these, never of what was drawn before.

    A frozen dataclass: `dataclasses.replace(music, augment=0.0)` is the same data without
    augmentation.

    Attributes:
        length: samples of a clip.
        sample_rate: in Hz.
        augment: share of the clips that are augmented, 0 to 1.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def length(self) -> int: ...

    @property
    def sample_rate(self) -> int: ...

    @property
    def augment(self) -> float: ...

    def classes(self, split: str) -> list[SoundClass]:
        """The classes of a split, in a fixed order."""

    def clip(
        self, split: str, sound: SoundClass, index: int, stream: Stream | None = None
    ) -> np.ndarray:
        """Clip number `index` of a class: (length,) float32. Every `stream` has clips of its own."""

    def recording(
        self, split: str, sound: SoundClass, index: int, stream: Stream | None = None
    ) -> str:
        """The recording that a clip is cut from."""

    def pictures(self, sound: SoundClass, split: str) -> list[Path]:
        """Files of the pictures of a class in a split; empty where there are none."""

    def fingerprint(self) -> str:
        """Digest of everything that clips and pictures are made from."""
