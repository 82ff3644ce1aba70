"""The template that every notebook is held to. `lint(notebook, size)` says what is wrong."""

import ast
import html
import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path

from tests.docs.contrast import faint
from tests.docs.texts import alternative, headings, images, tables

ROOT = Path(__file__).resolve().parents[2]

WORDS = (1_200, 3_500)
# docs/template.ipynb is shorter.
FEW_WORDS = (500, 1_200)
MAX_LINES, MAX_COLUMNS, MAX_BYTES = 25, 100, 1_500_000
ALLOWED = {"mars_lib", "torch", "numpy", "IPython"}
# Folders whose files a text may name; `data/weights` and what else the user puts there is not.
FOLDERS = "mars_lib|benchmarks|docs|notebooks|tests|data/(?:checkpoints|manifests|images)"
HEADER = ("What you will learn", "What you need", "How long", "Hardware")


def lint(notebook, size: int = 0, words: tuple[int, int] = WORDS) -> list[str]:
    """Everything that breaks the template; an empty list is a clean notebook."""
    problems = _length(notebook, words)
    for rule in (
        _texts,
        _header,
        _cells,
        _tags,
        _imports,
        _exercises,
        _formulas,
        _sections,
        _shown,
        _metadata,
        _outputs,
        _names,
    ):
        problems += rule(notebook)
    if size > MAX_BYTES:
        problems.append(f"the file has {size} bytes, at most {MAX_BYTES} are allowed")
    return problems


def tags(cell) -> list[str]:
    return cell["metadata"].get("tags", [])


def markdown(notebook) -> str:
    return "\n\n".join(c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown")


def code(notebook) -> list:
    return [c for c in notebook["cells"] if c["cell_type"] == "code"]


def tagged(notebook, tag: str) -> list:
    return [c for c in notebook["cells"] if tag in tags(c)]


def _texts(notebook) -> list[str]:
    text = markdown(notebook)
    return headings(text) + images(text) + tables(text)


def _header(notebook) -> list[str]:
    first = notebook["cells"][0]["source"]
    problems = [f"the header lacks {part!r}" for part in HEADER if part not in first]
    if not any("pipeline_map(" in c["source"] for c in code(notebook)):
        problems.append("the map of the pipeline is missing")
    return problems


def _length(notebook, words: tuple[int, int]) -> list[str]:
    count = len(markdown(notebook).split())
    return [] if words[0] <= count <= words[1] else [f"{count} words of prose, not {words}"]


def _cells(notebook) -> list[str]:
    problems = []
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            lines = cell["source"].splitlines()
            if len(lines) > MAX_LINES:
                problems.append(f"cell {number} has {len(lines)} lines")
            if any(len(line) > MAX_COLUMNS for line in lines):
                problems.append(f"cell {number} has a line of over {MAX_COLUMNS} columns")
    return problems


def _tags(notebook) -> list[str]:
    problems = []
    for tag, count in (("parameters", 1), ("bootstrap", 1)):
        if len(tagged(notebook, tag)) != count:
            problems.append(f"{len(tagged(notebook, tag))} cells tagged {tag}, not {count}")
    if len(tagged(notebook, "predict")) < 2:
        problems.append("fewer than two cells tagged predict")
    for cell in tagged(notebook, "parameters"):
        names = set()
        for node in ast.parse(cell["source"]).body:
            literal = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            if not literal:
                problems.append("the parameters cell holds more than literals")
            else:
                names.add(node.targets[0].id)
        if not {"PROFILE", "SEED"} <= names:
            problems.append("the parameters cell lacks PROFILE or SEED")
    return problems


def _imports(notebook) -> list[str]:
    problems = []
    for cell in code(notebook):
        for node in ast.walk(ast.parse(cell["source"])):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            for top in (module.split(".")[0] for module in modules):
                if top not in ALLOWED and top not in sys.stdlib_module_names:
                    problems.append(f"imports {top}")
    return problems


def _exercises(notebook) -> list[str]:
    found = tagged(notebook, "exercise")
    problems = [] if len(found) >= 3 else [f"{len(found)} exercises, fewer than 3"]
    cells = notebook["cells"]
    for number, cell in enumerate(cells):
        if "exercise" in tags(cell):
            after = cells[number + 1]["source"] if number + 1 < len(cells) else ""
            for part in ("Hint 1", "Hint 2", "Solution"):
                if f"<summary>{part}" not in after:
                    problems.append(f"the exercise in cell {number} has no folded {part}")
    return problems


def _formulas(notebook) -> list[str]:
    problems, cells = [], notebook["cells"]
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "markdown" and "$$" in cell["source"]:
            near = cells[number + 1 : number + 4]
            checks = [c for c in near if "formula-check" in tags(c) and "assert" in c["source"]]
            if not checks:
                problems.append(f"the formula in cell {number} has no numeric check")
    return problems


def _sections(notebook) -> list[str]:
    text = markdown(notebook).lower()
    wanted = {"pitfall": "## pitfall", "summary": "## summary", "references": "## references"}
    return [f"no section on {name}" for name, mark in wanted.items() if mark not in text]


def _shown(notebook) -> list[str]:
    """Figures have alternative texts that say something, players names, and text is dark enough."""
    problems = []
    for output in (output for cell in code(notebook) for output in cell.get("outputs", [])):
        data = output.get("data", {})
        if "image/png" in data:
            problems.append("a figure without alternative text")
        problems += faint(re.findall(r'style="([^"]*)"', "".join(data.get("text/html", ""))))
        for tag in re.findall(r"<(?:img|audio)\b[^>]*>", "".join(data.get("text/html", ""))):
            text = re.search(r'(?:alt|aria-label)="([^"]*)"', tag)
            if tag.startswith("<img"):
                problems += alternative(html.unescape(text[1]) if text else "")
            elif not text or not text[1].strip():
                problems.append("a player without a name")
    return problems


def _metadata(notebook) -> list[str]:
    meta = notebook["metadata"]
    problems = ["widget state is stored"] if "widgets" in meta else []
    if meta.get("kernelspec", {}).get("name") != "python3":
        problems.append("the kernel is not python3")
    return problems


def _outputs(notebook) -> list[str]:
    problems = []
    for number, cell in enumerate(code(notebook)):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                problems.append(f"code cell {number} holds an error")
        everything = json.dumps(cell)
        if re.search(r"(?<![\w.<:/])/(home|root|work|usr|tmp|Users|content)/", everything):
            problems.append(f"code cell {number} shows a path of a machine")
    return problems


def _names(notebook) -> list[str]:
    return missing_names("\n\n".join(cell["source"] for cell in notebook["cells"]))


def missing_names(text: str) -> list[str]:
    """The modules, attributes and files of the repository that a text names and that are not there.

    Looks at dotted names that begin with `mars_lib.`, wherever they stand, and at paths into the
    repository's folders. NAME and NN stand for names of the reader's own.
    """
    text = re.sub(r"\S*(?:NAME|NN)\S*", "", text)
    names = set(re.findall(r"(?<![\w./-])mars_lib(?:\.[A-Za-z_]\w*)+(?![\w/])", text))
    paths = set(re.findall(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*\w", text))
    return [f"{name} does not exist" for name in sorted(names) if not _resolves(name)] + [
        f"the path {path} does not exist" for path in sorted(paths) if not (ROOT / path).exists()
    ]


def _resolves(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    found, parts = importlib.import_module("mars_lib"), name.split(".")
    for i, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            module = ".".join(parts[:i])
            if not hasattr(found, "__path__") or importlib.util.find_spec(module) is None:
                return False
            importlib.import_module(module)
        found = getattr(found, part)
    return True
