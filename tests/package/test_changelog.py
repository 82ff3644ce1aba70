"""CHANGELOG.md begins with this version; modules that it names exist."""

import importlib.util
import re
from pathlib import Path

import pytest

import mars_lib

TEXT = (Path(__file__).resolve().parents[2] / "CHANGELOG.md").read_text()


def moved() -> list[str]:
    """Full names of the modules in the right column of the table of modules; ".x" is beside the one
    before it.
    """
    table = TEXT.split("### Modules")[1].split("\n### ")[0]
    found = []
    for row in re.findall(r"^\|.*\|(.*)\|$", table, re.M):
        for name in re.findall(r"`([\w.]+)`", row):
            parent = found[-1].rpartition(".")[0] if name.startswith(".") else "mars_lib."
            found.append(parent + name)
    return found


def test_it_begins_with_this_version():
    assert re.findall(r"^## (\S+)", TEXT, re.M)[0] == mars_lib.__version__


@pytest.mark.parametrize("name", moved())
def test_a_module_is_where_the_table_says(name):
    assert importlib.util.find_spec(name) is not None
