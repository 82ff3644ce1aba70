"""One way to check an attempt: against a reference, on several inputs, known mistakes named."""

from collections.abc import Callable, Mapping, Sequence

import torch

Function = Callable[..., object]


def check(
    name: str,
    attempt: Function,
    reference: Function,
    cases: Sequence[tuple[object, ...]],
    mistakes: Mapping[str, Function],
) -> bool:
    """Print whether `attempt` agrees with `reference` on all `cases`, and if not, why.

    Args:
        name: of the exercise, printed first.
        attempt: the reader's function. Whatever it raises is reported, not raised.
        reference: the right function, of the same arguments.
        cases: tuples of positional arguments.
        mistakes: maps an explanation to a function that makes that mistake. An attempt that returns
            the same values gets this explanation.

    Returns:
        True where the attempt agrees on every case.
    """
    verdict = _verdict(attempt, reference, cases, mistakes)
    print(f"{name}: {'right' if verdict is None else verdict}")
    return verdict is None


def _verdict(
    attempt: Function,
    reference: Function,
    cases: Sequence[tuple[object, ...]],
    mistakes: Mapping[str, Function],
) -> str | None:
    """What is wrong with the attempt, in words; None where nothing is."""
    given: list[torch.Tensor] = []
    wanted: list[torch.Tensor] = []
    for case in cases:
        try:
            answer = attempt(*case)
        except (
            Exception
        ) as error:  # An attempt may fail in any way, and the reader wants to know which.
            return f"not yet, it raises {type(error).__name__}: {error}"
        if answer is None or answer is ...:
            return "not yet, it returns nothing; replace the dots and return your result"
        given.append(torch.as_tensor(answer, dtype=torch.float64))
        wanted.append(torch.as_tensor(reference(*case), dtype=torch.float64))
    for a, b in zip(given, wanted):
        if a.shape != b.shape:
            return f"not yet, the shape is {tuple(a.shape)} and should be {tuple(b.shape)}"
    if _same(given, wanted):
        return None
    for explanation, function in mistakes.items():
        outcome = [torch.as_tensor(function(*case), dtype=torch.float64) for case in cases]
        if _same(given, outcome):
            return f"not yet, {explanation}"
    a, b = next((a, b) for a, b in zip(given, wanted) if not _same([a], [b]))
    where = (a - b).abs().nan_to_num(nan=torch.inf).flatten().argmax()
    return f"not yet, got {a.flatten()[where]:.4g} where {b.flatten()[where]:.4g} is right"


def _same(given: list[torch.Tensor], wanted: list[torch.Tensor]) -> bool:
    return all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-6)
        for a, b in zip(given, wanted)
    )
