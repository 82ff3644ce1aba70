"""The course in an environment that it does not own: a hosted notebook's versions stay, and
notebook 00 runs in them.

Needs the network, Python 3.13 (MARS_HOSTED_PYTHON) and 5 GB: `make test-hosted`.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
PYTHON = os.environ.get("MARS_HOSTED_PYTHON", "python3.13")
FIRST = "00_hear_a_separation.ipynb"


def run(*command, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a new environment with the hosted versions."""
    if shutil.which(PYTHON) is None:
        pytest.skip(f"{PYTHON} is not here: name a Python 3.13 in MARS_HOSTED_PYTHON")
    folder = tmp_path_factory.mktemp("hosted") / "venv"
    run(PYTHON, "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "-r", HERE / "versions.txt")
    run(python, "-m", "ipykernel", "install", "--prefix", folder, "--name", "hosted")
    return python


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The working tree as a bare repository, which stands in for the one on the network."""
    folder = tmp_path_factory.mktemp("repository")
    work, bare = folder / "work", folder / "course.git"
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0"):
        if name and (ROOT / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, work / name)
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        run(*git, *command, cwd=work)
    run("git", "clone", "-q", "--bare", work, bare)
    return bare


def frozen(python) -> set[str]:
    return set(run(python, "-m", "pip", "freeze", "--exclude", "mars-lib").splitlines())


def test_the_bootstrap_cell_changes_nothing_and_notebook_00_runs(python, repository, tmp_path):
    notebook = json.loads((ROOT / "notebooks" / FIRST).read_text())
    cell = next(c for c in notebook["cells"] if "bootstrap" in c["metadata"].get("tags", ()))
    source = "".join(cell["source"])
    assert 'REPOSITORY = ""' in source
    before, host = frozen(python), tmp_path / "host"
    host.mkdir()
    address = f'REPOSITORY = "{repository.as_uri()}"'
    said = run(python, "-c", source.replace('REPOSITORY = ""', address), cwd=host)
    assert "cloning" in said and "the course is ready" in said
    clone = host / "mars-sep"
    after = frozen(python)
    assert before <= after, f"changed: {sorted(before - after)}"
    environment = os.environ | {"JUPYTER_PATH": str(Path(python).parents[1] / "share" / "jupyter")}
    out = tmp_path / FIRST
    papermill = [ROOT / ".venv" / "bin" / "papermill", clone / "notebooks" / FIRST, out]
    run(*papermill, "-k", "hosted", "-p", "PROFILE", "smoke", cwd=clone, env=environment)
    executed = json.loads(out.read_text())
    assert not [
        o for c in executed["cells"] for o in c.get("outputs", ()) if o["output_type"] == "error"
    ]
