"""The texts of the repository: Markdown files and the prose of notebooks, and rules for both.

Each rule takes Markdown and says what is wrong with it; an empty list is a clean text.
"""

import json
import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Not `data/*/*`: what users put there is theirs.
PLACES = ("*.md", "data/*.md", "docs/**/*.md", "benchmarks/**/*.md", "tests/**/*.md")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.S)
HEADING = re.compile(r"^(#{1,6}) +(.*?)[ #]*$", re.M)
IMAGE = re.compile(r"!\[([^\]]*)\]\(")
# What stands before a link's name in a cell is no sentence.
EMPTY_WORDS = {"image", "picture", "figure", "plot", "graph", "screenshot", "a", "an", "the", "of"}


def notebooks() -> list[Path]:
    """The paths of all notebooks, their template last."""
    return [*sorted((ROOT / "notebooks").glob("*.ipynb")), ROOT / "docs" / "template.ipynb"]


def texts() -> dict[Path, str]:
    """The Markdown of every Markdown file and of every notebook, by path."""
    pages = sorted({path for place in PLACES for path in ROOT.glob(place)})
    found = {path: path.read_text(encoding="utf-8") for path in pages}
    return found | {path: prose(path) for path in notebooks()}


def prose(path: Path) -> str:
    """The Markdown cells of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def without_code(text: str) -> str:
    """Markdown without fenced and inline code."""
    return CODE.sub("", text)


def without_blocks(text: str) -> str:
    """Markdown without fenced code."""
    return re.sub(r"```.*?```", "", text, flags=re.S)


def titles(text: str) -> list[tuple[str, str]]:
    """The marks and the words of every heading."""
    return HEADING.findall(without_blocks(text))


def headings(text: str) -> list[str]:
    """One heading of level 1, which is the first; no level is skipped on the way down."""
    levels = [len(marks) for marks, _ in titles(text)]
    problems = [] if levels.count(1) == 1 else [f"{levels.count(1)} headings of level 1, not one"]
    if levels[:1] != [1]:
        problems.append("the first heading is not of level 1")
    if any(b > a + 1 for a, b in pairwise(levels)):
        problems.append("a heading level is skipped")
    return problems


def images(text: str) -> list[str]:
    """Every image has an alternative text that says something."""
    found = IMAGE.findall(without_code(text))
    return [fault for alt in found for fault in alternative(alt)]


def alternative(alt: str) -> list[str]:
    """What is wrong with one alternative text: at least two words that are no file's name."""
    words = re.findall(r"[^\W_]+", re.sub(r"\S+\.(?:png|jpe?g|svg|gif)\b", "", alt.lower()))
    if not alt.strip():
        return ["an image without alternative text"]
    if len([word for word in words if word not in EMPTY_WORDS]) < 2:
        return [f"the alternative text {alt!r} does not say what is seen"]
    return []


def tables(text: str) -> list[str]:
    """Every table has a row of headers, and its rows have as many cells as that."""
    problems = []
    for block in re.split(r"\n(?!\|)", "\n" + without_blocks(text)):
        # The first line of a block may be text.
        rows = [line for line in block.splitlines() if line.startswith("|")]
        if not rows:
            continue
        counts = [len(cells(row)) for row in rows]
        ruled = len(rows) > 1 and all(re.fullmatch(r" *:?-+:? *", cell) for cell in cells(rows[1]))
        if not ruled or not any(cell.strip() for cell in cells(rows[0])):
            problems.append(f"the table {rows[0]!r} has no headers")
        elif len(set(counts)) > 1:
            problems.append(f"the rows of the table {rows[0]!r} have {sorted(set(counts))} cells")
    return problems


def cells(row: str) -> list[str]:
    """The cells of a table's row; a bar in code or after a backslash parts none."""
    bare = re.sub(r"`[^`]*`|\\\|", "x", row.strip())
    return bare.removeprefix("|").removesuffix("|").split("|")
