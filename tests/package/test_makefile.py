"""`make test-all` runs all that there is to run; a Python that is not here is named."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = dict(re.findall(r"^([a-z-]+):(?!=)([^#\n]*)", (ROOT / "Makefile").read_text(), re.M))


def make(*arguments):
    # Not those of a `make test` that runs this.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_all_runs_what_ci_runs_and_every_other_test_but_those_on_cards():
    everything = {*RULES["test-all"].split()}
    assert {
        *re.findall(r"^ *make ([\w-]+)", (ROOT / ".ci" / "run").read_text(), re.M)
    } <= everything
    assert {name for name in RULES if name.startswith("test")} - everything == {
        "test-all",
        "test-gpu",
    }


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
def test_a_python_that_is_not_here_is_named():
    done = make("test-notebooks", "PYTHONS=3.98 3.99")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^Python (\S+) is not here", done.stdout, re.M) == ["3.98", "3.99"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
def test_a_python_that_is_here_gets_an_environment_of_its_own(tmp_path, monkeypatch):
    python = tmp_path / "versions" / "3.99.1" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    done = make("-n", "test-notebooks-3.99")
    assert f'"{python}" -c' in done.stdout, done.stdout
    assert '".venv-3.99/bin/python" -m pytest tests/notebooks' in done.stdout
