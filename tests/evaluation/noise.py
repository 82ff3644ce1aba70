"""Noise for tests of metrics."""

import numpy as np
import torch


def coloured(seed, *shape):
    """Noise with a spectrum, as real signals have."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((*shape, 12_000))
    kernel = rng.standard_normal(40)
    return torch.from_numpy(np.apply_along_axis(np.convolve, -1, noise, kernel, "same"))
