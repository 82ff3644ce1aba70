"""Checks of input, all with one error: what it is, what is wrong with it, what to do about it."""

import math
import reprlib
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from numbers import Real
from typing import TYPE_CHECKING, NoReturn, Protocol

import torch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# What every generator takes.
LARGEST_SEED = 2**32 - 1
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
# The sizes at which every notebook runs.
PROFILES = ("smoke", "cpu", "gpu")


class InputError(ValueError):
    """Bad input, reported as `name: problem; remedy`."""


def fail(name: str, problem: str, remedy: str) -> NoReturn:
    """Raise `InputError` with the project's one format.

    >>> fail("kappa", "is -1", "give a number above 0")
    Traceback (most recent call last):
    mars_lib.check.InputError: kappa: is -1; give a number above 0
    """
    raise InputError(f"{name}: {problem}; {remedy}")


@contextmanager
def told() -> Iterator[None]:
    """Around a command: errors that a user can mend are one line on stderr and exit status 1."""
    try:
        yield
    except (InputError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


def shape(name: str, tensor: torch.Tensor, axes: str, **sizes: int) -> None:
    """Raise `InputError` unless `tensor` has the axes that `axes` names.

    Args:
        name: what the message calls the tensor.
        tensor: whatever was given; what is no tensor is refused too.
        axes: one letter or word an axis, as in "B N L". A leading "..." allows any number of
            batch axes.
        sizes: of some of the axes; the others may have any size.
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


def tensor_like(name: str, value: object, remedy: str) -> None:
    """Raise `InputError` unless `value` is a tensor."""
    if not torch.is_tensor(value):
        fail(name, f"is a {type(value).__name__}", remedy)


def finite(name: str, tensor: torch.Tensor, remedy: str = "repair or cut the file first") -> None:
    """Raise `InputError` when `tensor` holds NaN or an infinity."""
    if not torch.isfinite(tensor).all():
        bad = int((~torch.isfinite(tensor)).sum())
        fail(name, f"holds {bad} values that are NaN or infinite", remedy)


def inside(name: str, tensor: torch.Tensor, low: float, high: float) -> None:
    """Raise `InputError` unless all of `tensor` are floating-point numbers of [low, high].

    NaN is in no interval.
    """
    remedy = f"give floating-point numbers from {low:g} to {high:g}"
    if not tensor.is_floating_point():
        fail(name, f"holds {tensor.dtype}".replace("torch.", ""), remedy)
    if not ((tensor >= low) & (tensor <= high)).all():
        found = (
            "NaN" if tensor.isnan().any() else f"values from {tensor.min():g} to {tensor.max():g}"
        )
        fail(name, f"holds {found}", remedy)


def on_card(tensor: torch.Tensor) -> bool:
    """Whether to look at a tensor's numbers would be to wait for its device.

    Training looks at them once a step, with its statistics.
    """
    return tensor.device.type != "cpu"


def between(name: str, value: float, low: float, high: float) -> None:
    """Raise `InputError` unless `value` is a number from `low` to `high`; NaN is not."""
    remedy = f"give a number from {low:g} to {high:g}"
    if not isinstance(value, Real | str | None):
        fail(name, f"is a {type(value).__name__}", remedy)
    if not isinstance(value, Real) or not low <= value <= high:
        fail(name, f"is {reprlib.repr(value)}", remedy)


def one_of(name: str, value: str, known: Collection[str]) -> None:
    """Raise `InputError` unless `value` is one of the `known` words."""
    if not isinstance(value, str) or value not in known:
        fail(name, f"is {reprlib.repr(value)}", f"give one of {', '.join(known)}")


def at_least(name: str, value: float, least: float) -> None:
    """Raise `InputError` for a value below `least`."""
    if value < least:
        fail(name, f"is {value}", f"give {least} or more")


def learning_rate(rate: float) -> None:
    """Raise `InputError` unless a learning rate is finite and above 0."""
    if not 0 < rate < math.inf:
        fail("learning rate", f"is {rate}", "give a finite number above 0")


def seed(seed: int) -> None:
    """Raise `InputError` for a seed that some random generator would refuse."""
    if not 0 <= seed <= LARGEST_SEED:
        fail("seed", f"is {seed}", f"give a whole number from 0 to {LARGEST_SEED}")


def profile(name: str) -> None:
    """Raise `InputError` for a profile that no notebook has."""
    one_of("profile", name, PROFILES)


class Training(Protocol):
    """The numbers that supervised training and the policy's training have in common."""

    @property
    def steps(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def accumulate(self) -> int: ...
    @property
    def clips_per_class(self) -> int: ...
    @property
    def queries_per_class(self) -> int: ...
    @property
    def validate_every(self) -> int: ...
    @property
    def validation_mixtures(self) -> int: ...
    @property
    def augment(self) -> float: ...
    @property
    def precision(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def seed(self) -> int: ...


def training(run: Training) -> None:
    """Raise `InputError` for numbers that no training can use."""
    for name, value in (
        ("steps", run.steps),
        ("batch size", run.batch_size),
        ("accumulate", run.accumulate),
        ("clips per class", run.clips_per_class),
        ("queries per class", run.queries_per_class),
        ("validate every", run.validate_every),
        ("validation mixtures", run.validation_mixtures),
    ):
        at_least(name, value, 1)
    if run.batch_size % run.accumulate:
        problem = f"is {run.batch_size}, in {run.accumulate} passes"
        fail("batch size", problem, f"give a multiple of {run.accumulate}")
    if not 0 <= run.augment <= 1:
        fail("augment", f"is {run.augment}", "give a share from 0 to 1")
    one_of("precision", run.precision, PRECISIONS)
    learning_rate(run.learning_rate)
    seed(run.seed)


class Credit(Protocol):
    """What says which advantage a bin meets."""

    @property
    def credit(self) -> str: ...
    @property
    def group_size(self) -> int: ...
    @property
    def reward_windows(self) -> int: ...
    @property
    def ratio(self) -> str: ...


def credit(policy: Credit) -> None:
    """Raise `InputError` for settings that would undo the advantages of patches or windows."""
    one_of("credit", policy.credit, ("whole", "patch"))
    by_patch = policy.credit == "patch"
    if by_patch:
        at_least("group size, with credit by patch", policy.group_size, 2)
    if by_patch and policy.reward_windows > 1:
        problem = f"are {policy.reward_windows}, with credit by patch"
        fail("reward windows", problem, "give 1, or credit whole")
    if policy.ratio == "joint" and policy.reward_windows > 1:
        fail("ratio", "is joint, with credit in windows", "give bin or frame, or 1 window")
    if policy.ratio != "bin" and by_patch:
        fail("ratio", f"is {policy.ratio}, with credit by patch", "give bin, or credit whole")


def values(
    name: str, part: "DataclassInstance", limits: Mapping[str, tuple[int, int]], remedy: str
) -> None:
    """Raise `InputError`, about `name`, for a field of a dataclass that no run has written.

    A field must have the type of its default, be finite, and be within `limits` where these name
    it. Fields without a plain default are left alone.
    """
    for known in fields(part):
        value = getattr(part, known.name)
        if known.default is MISSING:
            continue
        number = type(value) in (int, float) and math.isfinite(value)
        right = number if type(known.default) is float else type(value) is type(known.default)
        if right and known.name in limits:
            low, high = limits[known.name]
            right = low <= value <= high
        if not right:
            fail(name, f"has {known.name} {reprlib.repr(value)}", remedy)
