"""What trunk features will take, before they are made."""

import time
from pathlib import Path

import torch

from mars_lib.alignment.features import through_trunk
from mars_lib.data.music import Music
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.io.paths import GB, check_disk


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
        through_trunk(encoder, modality, torch.rand(shape))  # the first call allocates
        begun = time.perf_counter()
        widths += through_trunk(encoder, modality, torch.rand(shape)).shape[-1]
        seconds += time.perf_counter() - begun
    # Half precision on disk, float32 in memory.
    free = check_disk(folder, 2 * rows * widths, "trunk features")
    return (
        f"{rows:,} sounds and at most as many pictures through the trunks: "
        f"{rows * seconds / 60:.1f} minutes at most, not counted what it takes to render or read "
        f"them; features {2 * rows * widths / GB:.2f} GB on disk ({free / GB:.0f} GB free), "
        "twice that in memory"
    )
