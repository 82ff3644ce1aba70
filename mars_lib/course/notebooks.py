"""`mars course`: every notebook headless, and a table at the end of where to look.

Only this file imports papermill, jupyter_client and psutil.
"""

import hashlib
import json
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mars_lib import check
from mars_lib.check import fail
from mars_lib.course.pages import page, read
from mars_lib.io import assets, atomic
from mars_lib.io.paths import output_folder
from mars_lib.show.headline import MIME

if TYPE_CHECKING:
    from mars_lib.course.pages import NotebookNode

TIMEOUT_SECONDS = {"smoke": 300, "cpu": 1_200, "gpu": 24 * 3600}


@dataclass(frozen=True)
class Run:
    """One notebook's run.

    Attributes:
        notebook: its name without suffix.
        minutes: that it took.
        peak_mb: largest memory of its processes, in MB of 2^20 bytes.
        headline: the number that it ended with, in words.
        look: where to look or listen next.
        problem: why it did not run to its last cell; empty when it did.
        fingerprint: of all that its result depends on (`fingerprint`).
    """

    notebook: str
    minutes: float
    peak_mb: float
    headline: str
    look: str
    problem: str
    fingerprint: str


def run_course(
    notebooks: Path, out: Path, profile: str = "cpu", only: str | None = None, force: bool = False
) -> bool:
    """Run notebooks in order, and print a table of their headlines.

    What has not changed since it last ran (notebook, package, data, profile) is not run again.

    Args:
        notebooks: the folder of `*.ipynb`.
        out: where executed notebooks and their HTML go.
        profile: "smoke", "cpu" or "gpu".
        only: what the names of the notebooks begin with; all of them without it.
        force: whether to run again what has not changed.

    Returns:
        Whether all of them ran to their ends.

    Raises:
        InputError: for an unknown profile, or when no notebook is found.
    """
    check.profile(profile)
    paths = sorted(p for p in notebooks.glob("*.ipynb") if p.name.startswith(only or ""))
    if not paths:
        fail(str(notebooks), "holds no such notebook", "run from the folder of the course")
    output_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    ledger = out / "course.json"
    before = read_ledger(ledger, Run.__annotations__)
    runs = {}
    for path in paths:
        mark = fingerprint(path, profile)
        known = before.get(path.stem)
        if known and known["fingerprint"] == mark and not known["problem"] and not force:
            runs[path.stem] = Run(**known)
            continue
        runs[path.stem] = run_notebook(path, out / path.name, profile, mark)
        before[path.stem] = asdict(runs[path.stem])
        atomic.write_json(ledger, before)
    print(table(list(runs.values()), out))
    return not any(run.problem for run in runs.values())


def read_ledger(path: Path, columns: Mapping[str, type]) -> dict[str, dict]:
    """Read what earlier runs left in a JSON file: {name: {column: value}}.

    A file that is damaged, or of another version, is begun anew with a warning.
    """
    if not path.is_file():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        kinds = [{name: type(value) for name, value in row.items()} for row in rows.values()]
    except (ValueError, AttributeError):
        kinds = [{}]
    if any(kind != columns for kind in kinds):
        warnings.warn(
            f"{path} is damaged or of another version: everything runs again", stacklevel=3
        )
        return {}
    return rows


def run_notebook(
    path: Path,
    target: Path,
    profile: str,
    mark: str = "",
    parameters: Mapping[str, object] | None = None,
) -> Run:
    """Execute one notebook with papermill, in this interpreter's environment, and write its HTML.

    Args:
        path: the notebook.
        target: where it goes once executed; the HTML is written beside it.
        profile: "smoke", "cpu" or "gpu".
        mark: its fingerprint.
        parameters: what replaces values of its `parameters` cell, beside the profile.
    """
    import papermill

    print(f"{path.name}, profile {profile}", flush=True)
    start, problem = time.monotonic(), ""
    with _PeakMemory() as memory:
        try:
            papermill.execute_notebook(
                path,
                target,
                parameters={"PROFILE": profile, **(parameters or {})},
                kernel_name="python3",
                kernel_manager_class=_own_kernel(),
                execution_timeout=TIMEOUT_SECONDS[profile],
                store_widget_state=False,
                log_output=False,
            )
        except papermill.PapermillExecutionError as error:
            problem = f"cell {error.exec_count}: {error.ename}: {error.evalue}"
        except (RuntimeError, TimeoutError) as error:  # a kernel that died or takes too long
            problem = str(error).strip().splitlines()[0]
    notebook = read(target)
    atomic.write_text(target.with_suffix(".html"), page(notebook, path.stem))
    found = headline_of(notebook)
    if found is None and not problem:
        problem = "it did not reach its headline, the last cell"
    minutes = (time.monotonic() - start) / 60
    label = f"{found['label']}: {found['value']:.2f} {found['unit']}" if found else ""
    look = (found or {}).get("look", "")
    return Run(path.stem, minutes, memory.peak / 2**20, label, look, problem, mark)


def headline_of(notebook: "NotebookNode") -> dict | None:
    """Find the headline that a notebook's last cell left in its output; None without one."""
    for cell in reversed(notebook.cells):
        for output in cell.get("outputs", ()):
            if MIME in output.get("data", {}):
                return output["data"][MIME]
    return None


def fingerprint(path: Path, profile: str) -> str:
    """Hash all that a notebook's result depends on: itself, the package, its data, the profile.

    Of weights that the user gave, which are large and are converted when they are first read, the
    names alone.
    """
    digest = hashlib.sha256(profile.encode())
    digest.update(source_hash(path).encode())
    given = assets.folder() / "weights"
    digest.update(" ".join(sorted({file.stem for file in given.glob("*")})).encode())
    for folder, pattern in ((assets.PACKAGE, "*.py"), (assets.folder(), "*")):
        for file in sorted(p for p in folder.rglob(pattern) if p.is_file()):
            if not file.is_relative_to(given):
                digest.update(f"{file.relative_to(folder)} ".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def source_hash(path: Path) -> str:
    """Hash the sources of a notebook's cells, not their outputs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = json.dumps([[cell["cell_type"], "".join(cell["source"])] for cell in cells])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def table(runs: list[Run], out: Path) -> str:
    """Write the closing table: a line a notebook, with its result and where to look."""
    rows = [("notebook", "minutes", "peak memory", "result", "where to look")]
    for run in runs:
        result = f"FAILED, {run.problem}" if run.problem else run.headline
        look = f"{out / run.notebook}.html" + (f", {run.look}" if run.look else "")
        rows.append((run.notebook, f"{run.minutes:.1f}", f"{run.peak_mb:.0f} MB", result, look))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _own_kernel() -> type:
    """Make the class of a manager that starts this interpreter's kernel.

    It does so whatever other kernels are installed under the name python3, here or along
    JUPYTER_PATH.
    """
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    class OwnKernel(AsyncKernelManager):
        def _kernel_spec_manager_default(self) -> KernelSpecManager:
            return KernelSpecManager(kernel_dirs=[])

    return OwnKernel


class _PeakMemory:
    """The largest resident size of this process's children while it is open, in bytes."""

    def __enter__(self) -> "_PeakMemory":
        self.peak, self._open = 0, True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        own = psutil.Process()
        while self._open:
            total = 0
            for child in own.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)
            time.sleep(0.25)
