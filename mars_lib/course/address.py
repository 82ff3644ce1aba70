"""Write the repository's address into the notebooks and the README: `mars address URL`."""

import re
from pathlib import Path

from mars_lib.check import fail
from mars_lib.course import notebooks, pages
from mars_lib.io import atomic

CONSTANT = re.compile(r'^REPOSITORY = "[^"]*"', re.MULTILINE)
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)\n\n")
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


def write_address(url: str, folder: Path) -> list[Path]:
    """Write an address into every notebook's set-up cell, and badges of Colab for one on GitHub.

    Outputs stay, and so does everything else. An empty address takes the old one and the badges
    away. The template of new notebooks, docs/template.ipynb, gets the address alone.

    Args:
        url: of the repository, as `git clone` takes it; "" for none.
        folder: the checkout.

    Returns:
        The files that were written.

    Raises:
        InputError: for an address with other characters than those of one, and a folder without
            notebooks.
    """
    if url and not re.fullmatch(r"[\w.:/@~+-]+", url):
        fail("address", f"is {url!r}", "give one that `git clone` takes, as https://...")
    paths = sorted((folder / "notebooks").glob("*.ipynb"))
    if not paths:
        fail(f"folder {folder}", "has no notebooks", "run this in the checkout of the course")
    for path in paths:
        notebook = _addressed(path, url)
        notebook.cells[0].source = _badged(notebook.cells[0].source, url, path.name)
        pages.write(notebook, path)
        notebook.metadata["mars"] = {"source_hash": notebooks.source_hash(path)}
        pages.write(notebook, path)
    templates = [path for path in (folder / "docs" / "template.ipynb",) if path.is_file()]
    for path in templates:
        pages.write(_addressed(path, url), path)
    readme = folder / "README.md"
    atomic.write_text(readme, _badged(readme.read_text(encoding="utf-8"), url, paths[0].name))
    return [*paths, *templates, readme]


def _addressed(path: Path, url: str) -> "pages.NotebookNode":
    """A notebook with an address in its set-up cell."""
    notebook = pages.read(path)
    for cell in notebook.cells:
        if "bootstrap" in cell.metadata.get("tags", ()):
            cell.source = CONSTANT.sub(f'REPOSITORY = "{url}"', cell.source)
    return notebook


def _badged(text: str, url: str, name: str) -> str:
    """A text with the badge of a notebook under its title, where the address is on GitHub."""
    bare, found = BADGE.sub("", text), GITHUB.match(url)
    if not found:
        return bare
    colab = "https://colab.research.google.com"
    target = f"{colab}/github/{found[1]}/blob/main/notebooks/{name}"
    title, _, rest = bare.partition("\n\n")
    badge = f"[![Open in Colab]({colab}/assets/colab-badge.svg)]({target})"
    return f"{title}\n\n{badge}\n\n{rest}"
