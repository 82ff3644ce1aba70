"""What callers of `mars_lib.System` may give, made into tensors, or refused in one line."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mars_lib import check
from mars_lib.data import pictures
from mars_lib.encoders.base import check_words

# Floating-point samples or pixels. Whole numbers are refused: what is full scale among them,
# nothing says.
Numbers = torch.Tensor | np.ndarray
# Sound for a query: a path, or ((L,) or (C, L) samples, rate in Hz).
Sound = str | Path | tuple[Numbers, float]
# A picture for a query: a path, or (3, 224, 224) in [0, 1].
Picture = str | Path | Numbers
# Any of these once it has been checked.
Given = str | Path | torch.Tensor | tuple[torch.Tensor, float]
# In Hz, of what comes in: no recording of anything that can be heard lies outside.
RATES = (1_000, 1_000_000)


def path(name: str, value: object) -> Path:
    """`value` as a path. Raises `InputError` for what is none."""
    if not isinstance(value, (str, os.PathLike)):
        check.fail(name, f"is a {type(value).__name__}", "give the path of a file")
    return Path(value)


def numbers(name: str, value: object) -> torch.Tensor:
    """Floating-point numbers of a tensor or an array, as a float32 tensor on the CPU.

    Raises: `InputError` for whole and complex numbers, and for what is no tensor or array.
    """
    remedy = "give floating-point numbers in a tensor or an array"
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "f":
            check.fail(name, f"holds {value.dtype}", remedy)
        # PyTorch knows neither arrays that run backwards nor those of another byte order.
        value = torch.from_numpy(value.astype(np.float32))
    if not isinstance(value, torch.Tensor):
        check.fail(name, f"is a {type(value).__name__}", remedy)
    if not value.is_floating_point():
        check.fail(name, f"holds {value.dtype}".replace("torch.", ""), remedy)
    return value.detach().to("cpu", torch.float32)


def samples(value: object, rate: float, name: str, shortest: float) -> torch.Tensor:
    """(L,), (C, L) or (B, C, L) samples as they were given, as (B * C, L) float32 on the CPU.

    Raises: `InputError` for other shapes, for what is no floating-point samples, for none, for NaN,
        for a rate outside `RATES`, and for less than `shortest` seconds.
    """
    check.between(f"rate of the {name}", rate, *RATES)
    found = torch.atleast_2d(numbers(name, value))
    if found.ndim > 3:
        check.fail(name, f"has shape {tuple(found.shape)}", "give (L,), (C, L) or (B, C, L)")
    found = found.flatten(0, -2)
    check_samples(found, rate, name, shortest)
    return found


def check_samples(found: torch.Tensor, rate: float, name: str, shortest: float) -> None:
    """Raise `InputError` for no (C, L) samples, for NaN, and for less than `shortest` seconds."""
    check.shape(name, found, "C L")
    if not found.numel():
        check.fail(name, "holds no samples", "give some")
    check.finite(name, found)
    if found.shape[-1] < shortest * rate:
        check.fail(
            name,
            f"lasts {1e3 * found.shape[-1] / rate:.0f} ms",
            f"give at least one STFT window, {1e3 * shortest:.0f} ms",
        )


def of_query(modality: str, value: object) -> Given:
    """What was given for a modality, checked: text, a path, ((C, L), rate) or (3, 224, 224).

    Raises: `InputError` for what is none of them, and for pixels outside [0, 1].
    """
    if modality == "text":
        if not isinstance(value, str):
            problem = f"is a {type(value).__name__}"
            check.fail("text query", problem, "name a sound, as in 'violin'")
        check_words([value])
        return value
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    if modality == "image":
        picture = numbers("image query", value)
        check.shape("image query", picture, "C H W", C=3, H=pictures.SIZE, W=pictures.SIZE)
        check.inside("image query", picture, 0.0, 1.0)
        return picture
    if not isinstance(value, tuple) or len(value) != 2:
        problem = f"is a {type(value).__name__}"
        check.fail("audio query", problem, "give a path, or (samples, rate in Hz)")
    found, rate = value
    check.between("rate of the audio query", rate, *RATES)
    return torch.atleast_2d(numbers("audio query", found)), rate


def texts(value: object) -> list[str]:
    """The texts of a query, of which each has an estimate of its own; none where there is none.

    Raises: `InputError` for an empty list and for what is no text.
    """
    if value is None:
        return []
    found: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    check_words(found)
    return found
