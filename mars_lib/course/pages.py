"""Pages that need no network: formulas as MathML, figures and sounds inside. `mars site` makes all.

GitHub's own viewer shows notebooks without their players; these pages have them. Only this file
imports nbformat, nbconvert and latex2mathml.
"""

import copy
import posixpath
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.std import tqdm

from mars_lib.check import fail
from mars_lib.io import atomic
from mars_lib.io.paths import output_folder

if TYPE_CHECKING:
    from nbformat import NotebookNode as NotebookNode

# Code stays as it is: fenced, then inline. What is left may hold formulas.
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.S)
FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.S)
LINK = re.compile(r"(\]\(|(?:href|src)=\")(?P<target>[^)\"\s#]+)")
# In place of colours that are too faint on what is behind them: a contrast of 4.5 at least.
READABLE = """<style>:root {
--jp-mirror-editor-comment-color: #377070;
--jp-mirror-editor-number-color: #007500;
--jp-mirror-editor-operator-color: #90f;
--jp-cell-inprompt-font-color: #2a71ab;
--jp-cell-outprompt-font-color: #b0502f;
}</style>"""
# What markdown would read as its own.
ESCAPED = {"*": "&#42;", "_": "&#95;", "|": "&#124;"}
TITLE = re.compile(r"^# +(.+)$", re.M)
TEXTS = ("*.md", "docs/*.md", "data/README.md")


def read(path: Path) -> "NotebookNode":
    """Read a notebook."""
    import nbformat

    return nbformat.read(path, as_version=4)


def write(notebook: "NotebookNode", path: Path) -> None:
    """Write a notebook."""
    import nbformat

    nbformat.write(notebook, path)


def page(notebook: "NotebookNode", title: str) -> str:
    """The HTML of a notebook with its outputs: nothing in it is read from elsewhere.

    Args:
        notebook: executed or not.
        title: of a notebook that has no heading of level 1.
    """
    from nbconvert import HTMLExporter

    shown = copy.deepcopy(notebook)
    for cell in shown.cells:
        if cell.cell_type == "markdown":
            cell.source = with_mathml(cell.source)
    headings = (TITLE.search(c.source) for c in notebook.cells if c.cell_type == "markdown")
    found = next(filter(None, headings), None)
    resources = {"metadata": {"name": found[1] if found else title}}
    html, _ = HTMLExporter().from_notebook_node(shown, resources=resources)
    # Scripts that typeset formulas and draw diagrams, from elsewhere.
    head, body = html.split("</head>", 1)
    return re.sub(r"<script\b.*?</script>", "", head, flags=re.S) + READABLE + "</head>" + body


def with_mathml(source: str) -> str:
    """Markdown whose formulas, `$x$` and `$$x$$`, are MathML, as every browser draws it."""
    from latex2mathml.converter import convert

    def drawn(found: re.Match) -> str:
        kind = "block" if found["block"] else "inline"
        html = convert(found[kind], display=kind)
        return re.sub(r"[*_|]", lambda sign: ESCAPED[sign[0]], html)

    return _outside_code(source, FORMULA, drawn)


def _outside_code(source: str, pattern: re.Pattern, change: Callable[[re.Match], str]) -> str:
    """Markdown with what a pattern finds changed, but for code."""
    parts = CODE.split(source)
    parts[::2] = [pattern.sub(change, part) for part in parts[::2]]
    return "".join(parts)


def make_site(root: Path, out: Path) -> list[Path]:
    """Write all notebooks, as they are executed, and all texts of the course as HTML pages.

    Pages lie where their sources do, README.md as index.html; files that they link to are copied.

    Args:
        root: the folder of the course.
        out: where the pages go.

    Returns:
        The pages.

    Raises:
        InputError: where there is no course.
    """
    import nbformat

    notebooks = sorted(root.glob("notebooks/*.ipynb"))
    if not notebooks:
        fail(str(root.resolve()), "holds no notebooks", "run from the folder of the course")
    output_folder(out)
    texts = sorted(path for pattern in TEXTS for path in root.glob(pattern))
    sources = {path.relative_to(root).as_posix(): path for path in (*texts, *notebooks)}
    written = []
    for name, path in tqdm(sources.items(), desc="site"):
        if path.suffix == ".md":
            cell = nbformat.v4.new_markdown_cell(path.read_text(encoding="utf-8"))
            notebook = nbformat.v4.new_notebook(cells=[cell])
        else:
            notebook = read(path)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = _linked(cell.source, name, root, out, sources)
        if name != "README.md":
            home = posixpath.relpath("index.html", posixpath.dirname(name) or ".")
            notebook.cells.insert(0, nbformat.v4.new_markdown_cell(f"[All pages]({home})"))
        target = out / _place(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(target, page(notebook, path.stem))
        written.append(target)
    return written


def _place(name: str) -> str:
    """Where the page of a source lies."""
    return "index.html" if name == "README.md" else name.rpartition(".")[0] + ".html"


def _linked(source: str, name: str, root: Path, out: Path, pages: dict[str, Path]) -> str:
    """Markdown with links to pages in place of their sources; what else it links to is copied."""
    here = posixpath.dirname(name)

    def target(found: re.Match) -> str:
        asked = found["target"]
        path = posixpath.normpath(posixpath.join(here, asked))
        if path in pages:
            return found[1] + posixpath.relpath(_place(path), here or ".")
        if ":" not in asked and (root / path).is_file():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, out / path)
        return found[0]

    return _outside_code(source, LINK, target)
