"""Where notebook 06 begins: with a pretrained separator, or in its `gpu` profile with one that is
trained first, of the paper's size.
"""

from dataclasses import replace
from pathlib import Path

from mars_lib import config
from mars_lib.data import manifests
from mars_lib.data.cached_music import CachedMusic
from mars_lib.data.music import Music
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.encoders.base import Encoder
from mars_lib.io import assets
from mars_lib.training.supervised import train_supervised


def clips(profile: str) -> Music:
    """Two seconds a clip, remembered; in the `gpu` profile the paper's four, from a pool."""
    if profile != "gpu":
        return CachedMusic(manifests.music())
    return PooledMusic(replace(manifests.music(), length=config.profile("gpu").signal.length))


def begun(profile: str, folder: Path) -> bool:
    """Whether to go on: in the `gpu` profile what is finished is kept, and the rest resumed."""
    return profile == "gpu" and (folder / "last.safetensors").is_file()


def separator(
    profile: str,
    music: Music,
    encoder: Encoder,
    device: str,
    folder: Path,
    *,
    steps: int,
    clips_per_class: int,
    precision: str,
) -> Path:
    """The checkpoint that runs start from: `separator-small`, or `folder`'s of so many steps."""
    if profile != "gpu":
        return assets.checkpoint("separator-small")
    large = config.profile("gpu")
    training = replace(
        large.training,
        steps=steps,
        decay_steps=steps,
        warmup_steps=steps // 20,
        validate_every=max(1, steps // 4),
        clips_per_class=clips_per_class,
        precision=precision,
    )
    large, resume = replace(large, training=training), begun(profile, folder)
    return train_supervised(large, music, encoder, folder, accelerator=device, resume=resume)
