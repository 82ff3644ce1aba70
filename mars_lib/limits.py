"""What a configuration that comes out of a file may hold."""

import math
import reprlib
from dataclasses import MISSING, fields

from mars_lib.check import fail

# What a file may ask for: beyond any use, and within any machine that can separate.
LIMITS = {
    "sample_rate": (1_000, 192_000), "length": (1_024, 1 << 20), "n_fft": (64, 16_384),
    "hop_length": (16, 8_192), "n_bins": (8, 2_048), "n_layers": (5, 10), "n_masks": (1, 1_024),
    "width": (1, 1_024), "embedding_size": (1, 65_536), "n_sources": (1, 64),
}  # fmt: skip

LARGEST_KAPPA = 10_000  # above it float32 no longer holds the logarithms of Eq. 3


def check(name: str, config) -> None:
    """Raise `InputError`, about `name`, for values of a configuration that no run has written."""
    signal = config.signal
    for part in (config, signal, config.separator, config.training):
        _check_fields(name, part)
    if not 2 * signal.hop_length <= signal.n_fft <= signal.length:
        fail(name, "has hops or a length that do not fit its n_fft", "train the checkpoint again")


def _check_fields(name: str, part) -> None:
    """Raise `InputError` unless each field of a dataclass has the type of its default and is within `LIMITS`.

    Fields without a plain default are left alone.
    """
    for known in fields(part):
        value = getattr(part, known.name)
        if known.default is MISSING:
            continue
        number = type(value) in (int, float) and math.isfinite(value)
        right = number if type(known.default) is float else type(value) is type(known.default)
        if right and known.name in LIMITS:
            low, high = LIMITS[known.name]
            right = low <= value <= high
        if not right:
            fail(name, f"has {known.name} {reprlib.repr(value)}", "train the checkpoint again")
