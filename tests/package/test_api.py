"""docs/api.md: its examples run as they stand, and no call of the API lacks one."""

import doctest
import re
from pathlib import Path

import mars_lib

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text(), re.M | re.S)


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    space, said = {"__name__": "__main__"}, []
    for i, block in enumerate(BLOCKS):
        example = doctest.DocTestParser().get_doctest(block, space, f"block {i}", "docs/api.md", 0)
        runner.run(example, out=said.append, clear_globs=False)
        space = example.globs
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_every_call_has_an_example():
    code = "\n".join(
        line for block in BLOCKS for line in block.splitlines() if line[:3] in (">>>", "...")
    )
    for name in (*mars_lib.__all__, "__version__"):
        assert re.search(rf"\bmars_lib\.{name}\b|\b{name}\.\w", code), f"mars_lib.{name}"
    system = mars_lib.load(device="cpu")
    for name in {*dir(system), *vars(system)}:
        assert name.startswith("_") or f"system.{name}" in code, f"System.{name}"
