"""What every training run needs: data ahead of time, queries, a validation set, a safe step,
optimiser state in a checkpoint.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn


def scaler_of(fabric):
    """The gradient scaler of a run in float16 ("16-mixed"); None in every other precision."""
    return getattr(fabric.strategy.precision, "scaler", None)


def clip_and_step(
    fabric, separator: nn.Module, optimizer, clip: float, before: Callable[[], None] = lambda: None
) -> float:
    """Clip the gradients to norm `clip`, call `before`, take the optimiser's step; returns the norm
    before clipping.

    In float16 gradients may overflow, as a scaler starts too high on purpose: then the step is left
    out, the scale is halved, and the norm is infinite. Raises FloatingPointError for gradients that
    are not finite in any other precision, and in float16 where no scale is low enough.
    """
    norm = float(
        fabric.clip_gradients(separator, optimizer, max_norm=clip, error_if_nonfinite=False)
    )
    scaler = scaler_of(fabric)
    if not math.isfinite(norm):
        if scaler is None or scaler.get_scale() <= 1:
            raise FloatingPointError(f"gradient_norm is {norm}")
        norm = math.inf
    before()
    optimizer.step()
    return norm


@contextmanager
def explained_divergence(step: int, folder: Path) -> Iterator[None]:
    """A FloatingPointError from a step says at which step, and what to do about it."""
    try:
        yield
    except FloatingPointError as error:
        raise FloatingPointError(
            f"{error} at step {step}; {folder / 'last.safetensors'} holds the last good state, "
            "start again with a lower learning rate or, in reinforcement learning, an anchor"
        ) from None


def check_finite(**quantities: float) -> None:
    """Raise FloatingPointError for a number that is not finite."""
    for name, value in quantities.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"{name} is {value}")
