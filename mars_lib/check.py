"""One error format for bad input: what it is, what is wrong with it, what to do about it."""

import math
import reprlib
from collections.abc import Collection
from dataclasses import MISSING, fields
from numbers import Real
from typing import NoReturn

import torch

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
# What every generator takes.
LARGEST_SEED = 2**32 - 1
COUNTS = (
    "steps",
    "batch_size",
    "accumulate",
    "queries_per_class",
    "validate_every",
    "validation_mixtures",
)


class InputError(ValueError):
    """Bad input, reported as `name: problem; remedy`."""


def fail(name: str, problem: str, remedy: str) -> NoReturn:
    """Raise `InputError` with the project's one format.

    >>> fail("kappa", "is -1", "give a number above 0")
    Traceback (most recent call last):
    mars_lib.check.InputError: kappa: is -1; give a number above 0
    """
    raise InputError(f"{name}: {problem}; {remedy}")


def shape(name: str, tensor: torch.Tensor, axes: str, **sizes: int) -> None:
    """Raise unless `tensor` has the axes named in `axes`, as "B N L"; `sizes` pins some of them.

    A leading "..." allows any number of batch axes.
    """
    tensor_like(name, tensor, f"give a tensor of shape ({', '.join(axes.split())})")
    names = axes.split()
    free = names[0] == "..."
    names = names[1:] if free else names
    given = tuple(tensor.shape)
    tail = given[len(given) - len(names) :]
    enough = len(given) >= len(names) if free else len(given) == len(names)
    wrong = not enough or any(sizes.get(n, size) != size for n, size in zip(names, tail))
    if wrong:
        wanted = ", ".join(f"{n}={sizes[n]}" if n in sizes else n for n in axes.split())
        fail(name, f"has shape {given}", f"give a tensor of shape ({wanted})")


def tensor_like(name: str, value, remedy: str) -> None:
    """Raise unless `value` is a tensor."""
    if not torch.is_tensor(value):
        fail(name, f"is a {type(value).__name__}", remedy)


def finite(name: str, tensor: torch.Tensor, remedy: str = "repair or cut the file first") -> None:
    """Raise when `tensor` holds NaN or an infinity."""
    if not torch.isfinite(tensor).all():
        bad = int((~torch.isfinite(tensor)).sum())
        fail(name, f"holds {bad} values that are NaN or infinite", remedy)


def inside(name: str, tensor: torch.Tensor, low: float, high: float) -> None:
    """Raise unless `tensor` holds floating-point numbers of [low, high] alone (NaN is in no
    interval).
    """
    remedy = f"give floating-point numbers from {low:g} to {high:g}"
    if not tensor.is_floating_point():
        fail(name, f"holds {tensor.dtype}".replace("torch.", ""), remedy)
    if not ((tensor >= low) & (tensor <= high)).all():
        found = (
            "NaN" if tensor.isnan().any() else f"values from {tensor.min():g} to {tensor.max():g}"
        )
        fail(name, f"holds {found}", remedy)


def between(name: str, value: float, low: float, high: float) -> None:
    """Raise unless `value` is a number with low <= value <= high (NaN is never between)."""
    if not isinstance(value, Real) or not low <= value <= high:
        fail(name, f"is {value!r}", f"give a number from {low:g} to {high:g}")


def one_of(name: str, value: str, known: Collection[str]) -> None:
    """Raise unless `value` is one of the `known` words."""
    if value not in known:
        fail(name, f"is {value!r}", f"give one of {', '.join(known)}")


def check_training(run) -> None:
    """Raise `InputError` for numbers of a `TrainingConfig` or an `RLConfig` that no run can use."""
    for name in COUNTS:
        if getattr(run, name) < 1:
            fail(name.replace("_", " "), f"is {getattr(run, name)}", "give 1 or more")
    if run.batch_size % run.accumulate:
        fail(
            "batch size",
            f"is {run.batch_size}, in {run.accumulate} passes",
            f"give a multiple of {run.accumulate}",
        )
    if not 0 <= run.augment <= 1:
        fail("augment", f"is {run.augment}", "give a share from 0 to 1")
    if run.precision not in PRECISIONS:
        fail("precision", f"is {run.precision!r}", f"give one of {', '.join(PRECISIONS)}")
    check_rate(run.learning_rate)
    check_seed(run.seed)


def check_rate(rate: float) -> None:
    """Raise `InputError` unless a learning rate is finite and above 0."""
    if not 0 < rate < math.inf:
        fail("learning rate", f"is {rate}", "give a finite number above 0")


def check_seed(seed: int) -> None:
    """Raise `InputError` for a seed that some random generator would refuse."""
    if not 0 <= seed <= LARGEST_SEED:
        fail("seed", f"is {seed}", f"give a whole number from 0 to {LARGEST_SEED}")


PROFILES = ("smoke", "cpu", "gpu")


def profile(name: str) -> None:
    """Raise `InputError` for a profile that no notebook has."""
    one_of("profile", name, PROFILES)


# What a file may ask for: beyond any use, and within any machine that can separate.
LIMITS = {
    "sample_rate": (1_000, 192_000), "length": (1_024, 1 << 20), "n_fft": (64, 16_384),
    "hop_length": (16, 8_192), "n_bins": (8, 2_048), "n_layers": (5, 10), "n_masks": (1, 1_024),
    "width": (1, 1_024), "embedding_size": (1, 65_536), "n_sources": (1, 64),
}  # fmt: skip


LARGEST_KAPPA = 10_000  # above it float32 no longer holds the logarithms of Eq. 3


def limits(name: str, config) -> None:
    """Raise `InputError`, about `name`, for values of a configuration that no run has written."""
    signal = config.signal
    for part in (config, signal, config.separator, config.training):
        _limits_of_fields(name, part)
    if not 2 * signal.hop_length <= signal.n_fft <= signal.length:
        fail(name, "has hops or a length that do not fit its n_fft", "train the checkpoint again")


def _limits_of_fields(name: str, part) -> None:
    """Raise `InputError` unless each field of a dataclass has the type of its default and is within
    `LIMITS`.

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
