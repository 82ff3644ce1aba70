"""One way to check an attempt: against a reference, on several inputs, known mistakes named."""

import copy
from collections.abc import Callable, Mapping, Sequence

import torch

Function = Callable[..., object]


def check(
    name: str,
    attempt: Function,
    reference: Function,
    cases: Sequence[tuple[object, ...]],
    mistakes: Mapping[str, Function],
    beyond: Callable[[], str | None] | None = None,
) -> bool:
    """Print whether `attempt` agrees with `reference` on all `cases`, and if not, why.

    Args:
        name: of the exercise, printed first.
        attempt: the reader's function. Whatever it raises is reported, not raised.
        reference: the right function, of the same arguments.
        cases: tuples of positional arguments.
        mistakes: maps an explanation to a function that makes that mistake. An attempt that returns
            the same values gets this explanation.
        beyond: what numbers alone do not show: called where they all agree, it says what is wrong
            all the same, or None.

    Returns:
        True where the attempt agrees on every case.
    """
    verdict = _against_reference(attempt, reference, cases, mistakes)
    return report(name, beyond() if verdict is None and beyond else verdict)


def check_property(
    name: str,
    attempt: Function,
    fault: Callable[..., str | None],
    cases: Sequence[tuple[object, ...]],
) -> bool:
    """Print whether the answers of `attempt` are as wanted, where more than one answer is right.

    Args:
        name: of the exercise, printed first.
        attempt: the reader's function. Whatever it raises is reported, not raised.
        fault: gets the answers to all cases, tensors of float64, and returns what is wrong with
            them, or None.
        cases: tuples of positional arguments.

    Returns:
        True where nothing is wrong.
    """
    given, verdict = _answers(attempt, cases)
    return report(name, verdict or fault(given))


def report(name: str, verdict: str | None) -> bool:
    """Print what is wrong with an exercise, or that it is right; True where it is right."""
    print(f"{name}: {'right' if verdict is None else f'not yet, {verdict}'}")
    return verdict is None


def _answers(
    attempt: Function, cases: Sequence[tuple[object, ...]]
) -> tuple[list[torch.Tensor], str | None]:
    """The answers to all cases, and what kept them from being numbers."""
    given: list[torch.Tensor] = []
    for case in cases:
        # An attempt may fail in any way, and the reader wants to know which.
        try:
            answer = attempt(*copy.deepcopy(case))
            if answer is None or answer is ...:
                return given, "it returns nothing; replace the dots and return your result"
            if torch.is_tensor(answer) and answer.is_complex():
                return given, "it returns complex numbers; the result is real"
            given.append(torch.as_tensor(answer, dtype=torch.float64).detach())
        except Exception as error:
            return given, f"it raises {type(error).__name__}: {error}"
    return given, None


def _against_reference(
    attempt: Function,
    reference: Function,
    cases: Sequence[tuple[object, ...]],
    mistakes: Mapping[str, Function],
) -> str | None:
    """What is wrong with the attempt, in words; None where nothing is."""
    given, verdict = _answers(attempt, cases)
    if verdict is not None:
        return verdict
    wanted = [torch.as_tensor(reference(*case), dtype=torch.float64) for case in cases]
    for a, b in zip(given, wanted):
        if a.shape != b.shape:
            return f"the shape is {tuple(a.shape)} and should be {tuple(b.shape)}"
    if _same(given, wanted):
        return None
    for explanation, function in mistakes.items():
        outcome = [torch.as_tensor(function(*case), dtype=torch.float64) for case in cases]
        if _same(given, outcome):
            return explanation
    a, b = next((a, b) for a, b in zip(given, wanted) if not _same([a], [b]))
    where = (a - b).abs().nan_to_num(nan=torch.inf).flatten().argmax()
    return f"got {a.flatten()[where]:.4g} where {b.flatten()[where]:.4g} is right"


def _same(given: list[torch.Tensor], wanted: list[torch.Tensor]) -> bool:
    return all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
        for a, b in zip(given, wanted)
    )
