"""Exercises say what kind they are, how hard, and how long; most of them build or debug."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
HEADING = re.compile(
    r"### Exercise ([123]): \S.* \((write|debug|build), difficulty [123] of 3, \d+ minutes\)"
)


def kinds(sources: list[str]) -> list[str]:
    """The kinds of a notebook's exercises; AssertionError where a heading has another form.

    Args:
        sources: of its markdown cells.
    """
    text = re.sub(r"```.*?```", "", "\n\n".join(sources), flags=re.S)
    lines = re.findall(r"^#+ *Exercise\b.*$", text, re.M)
    found = [HEADING.fullmatch(line) for line in lines]
    assert None not in found, lines[found.index(None)]
    assert [match[1] for match in found] == ["1", "2", "3"], lines
    return [match[2] for match in found]


def markdown(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def test_two_thirds_of_the_exercises_build_or_debug():
    found = [kind for path in NOTEBOOKS for kind in kinds(markdown(path))]
    assert len(found) == 3 * len(NOTEBOOKS)
    assert sum(kind != "write" for kind in found) >= 2 / 3 * len(found), found


def test_the_template_has_one_of_each_kind():
    path = Path(__file__).resolve().parents[2] / "docs" / "template.ipynb"
    assert sorted(kinds(markdown(path))) == ["build", "debug", "write"]


@pytest.mark.parametrize(
    "heading",
    [
        "### Exercise 1: a mixture",
        "### Exercise 1: a mixture (difficulty 1 of 3, 5 minutes)",
        "### Exercise 1: a mixture (read, difficulty 1 of 3, 5 minutes)",
        "### Exercise 1: a mixture (write, difficulty 4 of 3, 5 minutes)",
        "### Exercise 1: a mixture (write, difficulty 1 of 3)",
        "### Exercise 1: (write, difficulty 1 of 3, 5 minutes)",
        "#### Exercise 1: a mixture (write, difficulty 1 of 3, 5 minutes)",
        "### Exercise 2: a mixture (write, difficulty 1 of 3, 5 minutes)",
    ],
)
def test_a_heading_of_another_form_is_seen(heading):
    rest = [f"### Exercise {i}: a (build, difficulty 3 of 3, 15 minutes)" for i in (2, 3)]
    with pytest.raises(AssertionError):
        kinds([heading, *rest])
