"""One step of an optimiser: gradients of its passes, clipped, of numbers that must be finite."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch

from mars_lib.training import distributed
from mars_lib.training.state import Run

Part = TypeVar("Part")
Stats = dict[str, float]


def backward(
    run: Run, parts: Sequence[Part], loss_of: Callable[[Part], tuple[torch.Tensor, Stats]]
) -> Stats:
    """Forward and backward of one step.

    Args:
        run: whose network gets the gradients.
        parts: what the passes of the step see, one each.
        loss_of: of a part, its loss and its statistics.

    Returns:
        `loss` and the statistics, means over passes and processes.

    Raises:
        FloatingPointError: for a mean that is not finite.
    """
    found = []
    run.stepper.zero_grad()
    for i, part in enumerate(parts, 1):
        with run.fabric.no_backward_sync(run.wrapped, enabled=i < len(parts)):
            with run.fabric.autocast():
                loss, stats = loss_of(part)
            run.fabric.backward(loss / len(parts))
        found.append({"loss": loss.item(), **stats})
    row = distributed.mean(
        {name: sum(each[name] for each in found) / len(found) for name in found[0]}
    )
    check_finite(**row)
    return row


def clip_and_step(run: Run, before: Callable[[], None] = lambda: None) -> Stats:
    """Clip the gradients, call `before`, and take the optimiser's step.

    In float16 gradients may overflow, as a scaler starts too high on purpose: then the step is left
    out, the scale is halved, and the norm is infinite.

    Returns:
        `gradient_norm`, before clipping, and `learning_rate`.

    Raises:
        FloatingPointError: for gradients that are not finite in any other precision, and in float16
            where no scale is low enough.
    """
    clip = run.options.gradient_clip
    total = run.fabric.clip_gradients(
        run.wrapped, run.stepper, max_norm=clip, error_if_nonfinite=False
    )
    assert total is not None  # clipping by value alone has no norm
    norm = float(total)
    if not math.isfinite(norm):
        scaler = distributed.scaler_of(run.fabric)
        if scaler is None or scaler.get_scale() <= 1:
            raise FloatingPointError(f"gradient_norm is {norm}")
        norm = math.inf
    before()
    rate = run.learning_rate
    for group in run.stepper.param_groups:
        group["lr"] = rate
    run.stepper.step()
    run.step += 1
    return {"gradient_norm": norm, "learning_rate": rate}


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
            raise FloatingPointError(f"the {name} is {value}")
