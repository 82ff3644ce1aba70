"""Links and images of every text lead to files that exist, and to headings that are there."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.texts import ROOT, prose, texts, titles, without_code

# `[text](target "title")`, images, `[name]: target`, and attributes of HTML.
LINK = re.compile(r"\]\(\s*(<[^>]*>|[^()\s]*(?:\([^()]*\)[^()\s]*)*)(?:\s+\"[^\"]*\")?\s*\)")
OTHERS = re.compile(r"^\[[^\]]+\]:\s+(\S+)|(?:href|src)=\"([^\"]*)\"", re.M)
BARE = re.compile(r"(?<![\w(\"<])https?:[^\s<>\")\]]*")
# Of those, an address is a link that leaves the repository.
ADDRESS = re.compile(r"https://[\w-]+(\.[\w-]+)+(:\d+)?(/[^\s<>\"]*)?")


def targets(text: str) -> list[str]:
    """What a text links to, and the addresses that stand in it; code is no link."""
    bare = without_code(text)
    linked = LINK.findall(bare) + [one or two for one, two in OTHERS.findall(bare)]
    return [target.strip("<>") for target in linked] + BARE.findall(LINK.sub("]()", bare))


def slugs(text: str) -> set[str]:
    """The anchors of a text's headings, as GitHub makes them."""
    found: Counter[str] = Counter()
    names = set()
    for _, title in titles(text):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return names


def broken(text: str, path: Path) -> list[str]:
    """The links of a text at `path` that lead nowhere."""
    problems = []
    for target in targets(text):
        if re.match(r"\w+:", target):
            if not ADDRESS.fullmatch(target) and not target.startswith(("mailto:", "data:image/")):
                problems.append(f"{target}: is no address that begins with https://")
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or not file.is_relative_to(ROOT):
            problems.append(f"{target}: does not exist")
        elif anchor:
            whole = text if file == path else read(file)
            if anchor not in slugs(whole):
                problems.append(f"{target}: no heading has this anchor")
    return problems


def read(file: Path) -> str:
    return prose(file) if file.suffix == ".ipynb" else file.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    assert broken(read(path), path) == []


def test_there_are_links():
    found = {path.relative_to(ROOT).as_posix(): targets(text) for path, text in texts().items()}
    assert {"docs/api.md", "docs/separation.png"} <= {*found["README.md"]}
    assert "../docs/glossary.md" in found["notebooks/02_policy_gradient.ipynb"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](README.md) ![b](docs/separation.png) [c](docs) `[d](no.md)`", []),
        ("```\n[a](no.md)\n```\n[a]: LICENSE", []),
        ("[a](none.md)", ["none.md"]),
        ('![a](docs/none.png "title")', ["docs/none.png"]),
        ("[a]: none.md", ["none.md"]),
        ('<img src="none.png" alt="a">', ["none.png"]),
        ("[a](../elsewhere.md)", ["../elsewhere.md"]),
        ("[a](README.md#two-commands)", []),
        ("[a](README.md#three-commands)", ["README.md#three-commands"]),
        ("[a](#one)\n\n# One\n\n## One", []),
        ("[a](#one-1) [b](#one-2)\n\n# One\n\n## One", ["#one-2"]),
        ("[a](#mars-fast-it-is)\n\n# `mars`: [fast](README.md), it is!", []),
        ("[a](https://example.org/a_(b)?c=d#e) and https://example.org", []),
        ("[a](http://example.org)", ["http://example.org"]),
        ("[a](https://example)", ["https://example"]),
        ("see http://example.org", ["http://example.org"]),
        ("see https:/example.org", ["https:/example.org"]),
        ("[a](<https://example.org/a b>)", ["https://example.org/a b"]),
    ],
)
def test_what_leads_nowhere_is_seen(text, wrong):
    problems = broken(text, ROOT / "CONTRIBUTING.md")
    assert [problem.rpartition(": ")[0] for problem in problems] == wrong
