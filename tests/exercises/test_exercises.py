"""Checks are code too: the stub fails, the solution passes, typical mistakes get their own message."""

import re

import nbformat
import pytest
import torch

from mars_lib import exercises


def from_notebooks(root):
    """(notebook, stub cell, solution) of every exercise."""
    found = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        for cell, following in zip(cells, cells[1:]):
            if "exercise" in cell.metadata.get("tags", ()):
                solution = re.search(r"Solution.*?```python\n(.*?)```", following.source, re.S)
                found.append((path.name, cell.source, solution.group(1)))
    return found


def test_stubs_fail_and_solutions_pass(root, capsys):
    cases = from_notebooks(root)
    assert len(cases) >= 6
    for name, stub, solution in cases:
        namespace = {"exercises": exercises, "torch": torch}
        exec(stub, namespace)
        assert "not yet" in capsys.readouterr().out, (name, stub)
        call = re.search(r"^exercises\..*$", stub, re.M).group(0)
        exec(solution + "\nresult = " + call, namespace)
        assert namespace["result"] is True, (name, solution)
        assert "right" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("check", "attempt", "says"),
    [
        (exercises.check_mixture, lambda a, b: a + b, "divided by the number of sources"),
        (exercises.check_mixture, lambda a, b: a + b / 2, "mind the brackets"),
        (exercises.check_blend, lambda t, i, a, b: a * t + b * i, "divided by the sum"),
        (exercises.check_blend, lambda t, i, a, b: (b * t + a * i) / (a + b), "exchanged"),
        (exercises.check_push_away, lambda q, n, a: q - a * n, "grow by alpha"),
        (exercises.check_push_away, lambda q, n, a: (1 + a) * q + a * n, "mind the sign"),
        (exercises.check_frames, lambda n, h: n // h, "one more"),
        (exercises.check_frames, lambda n, h: (n - 1024) // h + 1, "no room for a whole window"),
        (exercises.check_binary_mask, lambda r, x: (r > x).float(), "not all of it"),
        (exercises.check_binary_mask, lambda r, x: r / x, "a ratio"),
        (exercises.check_wbce, lambda p, m, w: -(m * p.log() + (1 - m) * (1 - p).log()).mean(),
         "weight is missing"),
        (exercises.check_wbce, lambda p, m, w: (w * (m * p.log() + (1 - m) * (1 - p).log())).mean(),
         "minus sign"),
        (exercises.check_mixture, lambda a, b: a[:2], "the shape is"),
        (exercises.check_mixture, lambda a, b: 1 / 0, "raises ZeroDivisionError"),
        (exercises.check_mixture, lambda a, b: 0.3 * (a + b), "got"),
        (exercises.check_frames, lambda n, h: None, "returns nothing"),
    ],
)
def test_mistakes_get_their_own_message(check, attempt, says, capsys):
    assert check(attempt) is False
    assert says in capsys.readouterr().out
