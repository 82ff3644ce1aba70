"""Pages of `mars site` for those who see little or nothing: language, title, names, contrast."""

import re
from html.parser import HTMLParser

import pytest

from mars_lib.course.pages import make_site
from tests.docs.contrast import ENOUGH, contrast, faint
from tests.docs.texts import ROOT, notebooks

# Selectors of a state, of what no page has, and of a line.
STATES = re.compile(r":(?!root|not\()|\[|disabled|-mod-|jp-Dialog|ansi|placeholder| hr$")
NONE = ("none", "inherit", "initial", "transparent", "unset")
COLOURS = re.compile(r"(?<![\w-])(color|background(?:-color)?):\s*([^;]+)")


class Page(HTMLParser):
    """What a page is made of: its title and style sheets, its elements' attributes and classes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.classes: set[str] = set()
        self.text = {"title": "", "style": ""}
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        self.classes |= {*(found.get("class") or "").split()}
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside in self.text:
            self.text[self._inside] += data


def unreadable(css: str, classes: set[str]) -> list[str]:
    """The rules of a style sheet that colour text of a page, and are hard to read.

    A selector counts where the page has all of its classes, and where it is of no state such as
    :hover. What names no background stands on the page's, and code on that of cells.
    """
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    # The last definition of a variable holds.
    variables = dict(re.findall(r"(--[\w-]+):\s*([^;{}]+);", css))

    def value(text: str) -> str:
        while found := re.search(r"var\((--[\w-]+)\)", text):
            text = text.replace(found[0], variables[found[1]].strip())
        return text.removesuffix("!important").strip()

    problems = []
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css):
        found = dict(COLOURS.findall(body))
        for selector in (each.strip() for each in selectors.split(",")):
            here = {*re.findall(r"\.([\w-]+)", selector)} <= classes
            if found.get("color") in (None, *NONE) or not here or STATES.search(selector):
                continue
            behind = found.get("background-color", found.get("background", "none"))
            if behind in NONE:
                cell = "highlight" in selector
                behind = f"var(--jp-{'cell-editor-background' if cell else 'layout-color0'})"
            ink, behind = value(found["color"]), value(behind)
            if contrast(ink, behind) < ENOUGH:
                problems.append(f"{selector}: {ink} on {behind}, {contrast(ink, behind):.2f}")
    return problems


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Page]:
    """Pages of two notebooks, with figures and players, and of a text."""
    root = tmp_path_factory.mktemp("course")
    for path in (ROOT / "README.md", ROOT / "docs" / "api.md", *notebooks()[:2]):
        (root / path.relative_to(ROOT).parent).mkdir(exist_ok=True)
        (root / path.relative_to(ROOT)).write_bytes(path.read_bytes())
    written = make_site(root, tmp_path_factory.mktemp("site"))
    return {path.name: Page(path.read_text(encoding="utf-8")) for path in written}


def test_pages_name_their_language_and_what_they_are_about(pages):
    assert len(pages) == 4
    titles = {name: page.text["title"] for name, page in pages.items()}
    assert titles["01_stft_masking.html"] == "01 STFT masking"
    assert titles["index.html"].startswith("MARS-Sep: ")
    for page in pages.values():
        assert ("html", {"lang": "en"}) in page.tags
        assert [tag for tag, _ in page.tags].count("h1") == 1


def test_figures_and_players_have_names(pages):
    for wanted, name in (("img", "alt"), ("audio", "aria-label")):
        found = [
            attributes for page in pages.values() for tag, attributes in page.tags if tag == wanted
        ]
        assert len(found) > 10 and all(attributes.get(name, "").strip() for attributes in found)
    for page in pages.values():
        drawn = [attributes for _, attributes in page.tags if attributes.get("role") == "img"]
        assert all(attributes["aria-label"].strip() for attributes in drawn)


def test_tables_have_headers(pages):
    for page in pages.values():
        tags = [tag for tag, _ in page.tags]
        assert tags.count("table") <= tags.count("th")


def test_text_is_dark_enough(pages):
    page = pages["01_stft_masking.html"]
    assert {"highlight", "c1", "kn", "jp-RenderedHTMLCommon"} <= page.classes
    assert unreadable(page.text["style"], page.classes) == []
    for each in pages.values():
        assert (
            faint([attributes["style"] for _, attributes in each.tags if "style" in attributes])
            == []
        )


def test_contrast_by_hand():
    assert contrast("black", "#fff") == pytest.approx(21)
    assert contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)
    assert contrast("rgba(0, 0, 0, 0.5)", "white") == pytest.approx(
        contrast("#808080", "#fff"), abs=0.05
    )
    assert contrast("#fff", "rgb(11, 83, 148)") == contrast("#0b5394", "white")


def test_what_is_hard_to_read_is_seen():
    assert faint(["color:#888", "color:#333;background:#e8edf3", "background:#eee"]) == [
        "text of colour #888 on white is hard to read"
    ]
    css = ":root { --jp-layout-color0: white; --ink: #999; } .a { color: var(--ink); }"
    css += ".b:hover { color: #eee }"
    assert [each.split(":")[0] for each in unreadable(css, {"a", "b"})] == [".a"]
    assert unreadable(css, {"b"}) == [] == unreadable(css + ":root { --ink: #333; }", {"a"})
