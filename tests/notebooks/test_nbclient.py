"""The notebooks by nbclient, which is what `jupyter execute` and nbconvert run: without papermill.

The template in the ordinary tests; the nine others on every Python with `make test-notebooks`.
"""

import platform
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from mars_lib.course import notebooks, pages

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [
    pytest.param(path, marks=pytest.mark.nbclient)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
]


def in_smoke(path):
    """A notebook without outputs, whose parameters cell names the profile: papermill is not here
    to do so.
    """
    notebook = pages.read(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    assert 'PROFILE = "cpu"' in cell.source
    cell.source = cell.source.replace('PROFILE = "cpu"', 'PROFILE = "smoke"')
    return notebook


def execute(notebook):
    # A kernel, too, is slow to come on a busy machine.
    limits = dict.fromkeys(("timeout", "startup_timeout"), notebooks.TIMEOUT_SECONDS["smoke"])
    NotebookClient(notebook, **limits, kernel_name="python3").execute()


@pytest.mark.parametrize(
    "path", [ROOT / "docs" / "template.ipynb", *OTHERS], ids=lambda path: path.stem
)
def test_runs_by_nbclient_alone(path, no_network):
    notebook = in_smoke(path)
    execute(notebook)
    assert notebooks.headline_of(notebook) is not None
    # The kernel is of this environment: three Pythons are tried.
    assert notebook.metadata.language_info.version == platform.python_version()


def test_a_cell_that_fails_is_seen(no_network):
    notebook = in_smoke(ROOT / "docs" / "template.ipynb")
    notebook.cells = notebook.cells[:2]
    notebook.cells[1].source += "\n1 / 0"
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(notebook)
