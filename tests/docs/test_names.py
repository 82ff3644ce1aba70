"""The pages of the repository name modules, attributes and files that exist."""

import importlib.util
from pathlib import Path

import pytest

PAGES = (
    "README.md",
    "EQUATIONS.md",
    "RESULTS.md",
    "CONTRIBUTING.md",
    "data/README.md",
    "docs/*.md",
)


@pytest.fixture(scope="module")
def missing_names():
    """The same check as the notebooks', from their lint."""
    path = Path(__file__).resolve().parents[1] / "notebooks" / "lint.py"
    spec = importlib.util.spec_from_file_location("names_lint", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.missing_names


def test_every_page_names_what_exists(root, missing_names):
    pages = [path for pattern in PAGES for path in sorted(root.glob(pattern))]
    assert {"README.md", "EQUATIONS.md", "gpu.md"} <= {path.name for path in pages}
    for page in pages:
        assert missing_names(page.read_text(encoding="utf-8")) == [], page


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("`mars_lib.loss.wbce`, `mars_lib.io` and mars_lib.System.query", []),
        ("`mars_lib.loss.wbces`", ["mars_lib.loss.wbces does not exist"]),
        ("from mars_lib.ear import load", ["mars_lib.ear does not exist"]),
        ("python -m mars_lib.notebook_outputs", ["mars_lib.notebook_outputs does not exist"]),
        ("`mars_lib/reward.py`, `tests/conftest.py`", []),
        ("python benchmarks/none.py --steps 3", ["the path benchmarks/none.py does not exist"]),
    ],
)
def test_the_check_sees_what_is_missing(missing_names, text, missing):
    assert missing_names(text) == missing
