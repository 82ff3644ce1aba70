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
# Numbers of a step by the columns of the log, on the device.
Stats = dict[str, torch.Tensor]


def backward(
    run: Run, parts: Sequence[Part], loss_of: Callable[[Part], tuple[torch.Tensor, Stats]]
) -> Stats:
    """Forward and backward of one step.

    Args:
        run: whose network gets the gradients.
        parts: what the passes of the step see, one each.
        loss_of: of a part, its loss and its statistics.

    Returns:
        `loss` and the statistics, means over passes and processes, on the device.
    """
    found: list[Stats] = []
    run.stepper.zero_grad()
    for i, part in enumerate(parts, 1):
        with run.fabric.no_backward_sync(run.wrapped, enabled=i < len(parts)):
            with run.fabric.autocast():
                loss, stats = loss_of(part)
            run.fabric.backward(loss / len(parts))
        found.append({"loss": loss.detach(), **stats})
    return distributed.mean(
        {name: torch.stack([each[name].float() for each in found]).mean() for name in found[0]}
    )


def clip_and_step(run: Run, before: Callable[[], None] = lambda: None) -> Stats:
    """Clip the gradients, call `before`, and take the optimiser's step.

    In float16 gradients may overflow, as a scaler starts too high on purpose: then the step is left
    out, and the scale is halved.

    Returns:
        `gradient_norm`, before clipping.
    """
    clip = run.options.gradient_clip
    norm = run.fabric.clip_gradients(
        run.wrapped, run.stepper, max_norm=clip, error_if_nonfinite=False
    )
    assert norm is not None  # clipping by value alone has no norm
    before()
    rate = run.learning_rate
    for group in run.stepper.param_groups:
        group["lr"] = rate
    run.stepper.step()
    run.step += 1
    return {"gradient_norm": norm.detach()}


def read(run: Run, stats: Stats) -> dict[str, float]:
    """A step's numbers, and its learning rate, as its row of the log: one transfer from the device.

    The norm of gradients that overflowed in float16 is infinite.

    Raises:
        FloatingPointError: for a number that is not finite, but for such a norm; in float16 where
            no scale is low enough.
    """
    numbers = torch.stack([value.float() for value in stats.values()]).tolist()
    row = dict(zip(stats, numbers)) | {"learning_rate": run.optimizer.param_groups[0]["lr"]}
    if not math.isfinite(row["gradient_norm"]):
        check_finite(**{name: value for name, value in row.items() if name != "gradient_norm"})
        scaler = distributed.scaler_of(run.fabric)
        if scaler is None or scaler.get_scale() <= 1:
            raise FloatingPointError(f"the gradient_norm is {row['gradient_norm']}")
        return row | {"gradient_norm": math.inf}
    check_finite(**row)
    return row


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
