"""`python -m mars_lib.course.outputs`: execute the notebooks, and keep their outputs in them.

The outputs are stripped of what changes from run to run (timings, counts, widget views). A notebook
is stamped with the hash of its sources, so that a test can say when outputs are older than it.
"""

import sys
import tempfile
from pathlib import Path

from mars_lib.course import notebooks, pages


def refresh(path: Path) -> None:
    """Execute one notebook in the cpu profile, and keep its outputs in it."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / path.name
        run = notebooks.run_notebook(path, target, "cpu")
        if run.problem:
            raise SystemExit(f"{path}: {run.problem}")
        executed = pages.read(target)
    source = pages.read(path)
    outputs = {cell["id"]: cell["outputs"] for cell in executed.cells if cell.cell_type == "code"}
    for cell in source.cells:
        if cell.cell_type == "code":
            kept = [_kept(output) for output in outputs[cell["id"]]]
            cell["outputs"] = [output for output in kept if output is not None]
            cell["execution_count"] = None
    source.metadata["mars"] = {"source_hash": notebooks.source_hash(path)}
    pages.write(source, path)
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {run.headline}")


def _kept(output: dict) -> dict | None:
    """Strip an output of what changes; None for progress bars and the like on stderr."""
    if output.get("name") == "stderr":
        return None
    data = output.get("data")
    if data is not None:
        # A widget's view is empty without its state; its static form stands above it.
        data.pop("application/vnd.jupyter.widget-view+json", None)
    if "execution_count" in output:
        output["execution_count"] = None
    return output


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(map(str, Path("notebooks").glob("*.ipynb"))):
        refresh(Path(name))
