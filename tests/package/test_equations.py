"""Every name in EQUATIONS.md exists."""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_function_test_and_notebook_exists():
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in (ROOT / "EQUATIONS.md").read_text().splitlines()
        if line.startswith("|") and "`" in line
    ]
    assert len(rows) >= 6
    for _, _, function, test, notebook in rows:
        module, _, name = function.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))
        file, _, case = test.partition("::")
        assert re.search(rf"^def {case}\(", (ROOT / file).read_text(), re.M), test
        assert (ROOT / "notebooks" / f"{notebook}.ipynb").is_file()
