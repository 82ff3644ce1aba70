"""ImageBind's own classes with few and narrow blocks and random weights."""

import importlib.util

import pytest
import torch

from mars_lib.encoders import imagebind

# Another width in each modality, so that no mix-up fits.
SIZES = {
    "vision_embed_dim": 32,
    "vision_num_blocks": 2,
    "vision_num_heads": 2,
    "audio_embed_dim": 24,
    "audio_num_blocks": 2,
    "audio_num_heads": 2,
    "text_embed_dim": 16,
    "text_num_blocks": 2,
    "text_num_heads": 2,
    "out_embed_dim": 20,
    "depth_embed_dim": 8,
    "depth_num_blocks": 0,
    "thermal_embed_dim": 8,
    "thermal_num_blocks": 0,
    "imu_embed_dim": 8,
    "imu_num_blocks": 0,
}
# What the extra `imagebind` brings; all of it or none is there.
NEEDED = ("imagebind", "einops", "timm", "iopath", "ftfy", "regex")


def need_imagebind():
    """Skip where the extra is not installed. Looks without importing: `imagebind/__init__.py` would
    import its loaders.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"could not import {', '.join(missing)}", allow_module_level=True)


def small_model():
    """An `ImageBindModel`."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return imagebind._imagebind()[0](**SIZES).eval()


def small():
    """The encoder around a `small_model`, frozen."""
    return imagebind.ImageBind(small_model()).eval().requires_grad_(False)
