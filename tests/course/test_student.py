"""Copies for students: exercises, hints and code as they are, no solution, no output."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.test_cli import mars

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def sources(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    out = tmp_path_factory.mktemp("students")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(NOTEBOOKS.parent)
        status, said, err = mars("course", "--student", out)
    assert status == 0 and err == "" and "without solutions" in said
    return out


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_nothing_but_solutions_and_outputs_is_gone(copies, path):
    full, copy = sources(path), sources(copies / path.name)
    text = "".join(source for _, source in full)
    count = text.count("<summary>Solution</summary>")
    assert count == len([s for s in full if s[0] == "code" and "exercises.check_" in s[1]]) >= 3
    assert [s for s in copy if s[0] == "code"] == [s for s in full if s[0] == "code"]
    left = "".join(source for _, source in copy)
    assert "Solution" not in left and left.count("<details>") == text.count("<details>") - count
    assert left.count("<details>") == left.count("</details>") > 0
    # Neither the solutions' code, nor what cells have printed.
    for solution in re.findall(r"Solution</summary>.*?```python\n(.*?)```", text, re.S):
        assert solution.splitlines()[-1] not in left
    cells = json.loads((copies / path.name).read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)


def test_the_notebooks_themselves_are_not_overwritten(monkeypatch):
    monkeypatch.chdir(NOTEBOOKS.parent)
    status, _, err = mars("course", "--student", "notebooks")
    assert status == 1 and "holds the notebooks themselves; give another folder" in err
