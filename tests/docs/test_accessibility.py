"""Texts that can be read without seeing them: headings, alternative texts, tables with headers.

Notebooks are held to the same rules by their lint (tests/notebooks), pages by
tests/course/test_accessible_pages.py.
"""

import pytest

from tests.docs.texts import ROOT, headings, images, notebooks, tables, texts

PAGES = {path: text for path, text in texts().items() if path not in notebooks()}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_can_be_read_without_seeing_it(path):
    text = PAGES[path]
    assert headings(text) + images(text) + tables(text) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# A\n\n## B\n\n```\n# c\n```\n\n### C\n\n## D", ""),
        ("# A\n\n# B", "2 headings of level 1"),
        ("text", "0 headings of level 1"),
        ("## A\n\n# B", "the first heading"),
        ("# A\n\n### B", "level is skipped"),
    ],
)
def test_headings(text, says):
    assert says in "; ".join(headings(text)) and bool(headings(text)) == bool(says)


@pytest.mark.parametrize(
    ("alt", "says"),
    [
        ("SI-SDRi over steps", ""),
        ("", "without alternative text"),
        ("  ", "without alternative text"),
        ("figure", "does not say"),
        ("an image of the", "does not say"),
        ("separation.png", "does not say"),
        ("figure of docs/separation.png", "does not say"),
    ],
)
def test_alternative_texts(alt, says):
    problems = images(f"`![](code.png)` ![{alt}](x.png)")
    assert says in "; ".join(problems) and bool(problems) == bool(says)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("| a | b |\n| --- | :-: |\n| `x | y` | |", ""),
        ("Text\n| a | b |\n|---|---|\n| 1 | 2 |\n\nText | text", ""),
        ("```\n| a |\n```", ""),
        ("| a | b |\n| 1 | 2 |", "no headers"),
        ("| | |\n| --- | --- |\n| 1 | 2 |", "no headers"),
        ("| a | b |\n| --- | --- |\n| 1 |", "[1, 2] cells"),
    ],
)
def test_tables(table, says):
    problems = tables(f"# A\n\n{table}\n\nText.")
    assert says in "; ".join(problems) and bool(problems) == bool(says)
