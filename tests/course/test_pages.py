"""Pages of notebooks and texts: they load nothing from elsewhere, and no link leads nowhere.

That every formula becomes MathML is in tests/docs/test_formulas.py.
"""

import re
import shutil
from pathlib import Path

import pytest

from mars_lib.check import InputError
from mars_lib.course.pages import make_site, with_mathml

ROOT = Path(__file__).resolve().parents[2]
# Attributes that a browser follows by itself, and links.
LOADED = re.compile(r'(?:\bsrc|<link[^>]*\bhref)="(?!data:)([^"]*)"')
LINKED = re.compile(r'<a[^>]*\bhref="([^"#]+)[^"]*"')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of a course with one notebook, and all of its texts."""
    root = tmp_path_factory.mktemp("course")
    for name in ("docs", "data", "notebooks"):
        (root / name).mkdir()
    alone = ("LICENSE", "CITATION.cff", "data/README.md", "notebooks/02_policy_gradient.ipynb")
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*"), *(ROOT / name for name in alone)):
        shutil.copyfile(path, root / path.relative_to(ROOT))
    out = tmp_path_factory.mktemp("site")
    return out, make_site(root, out)


def test_pages_load_nothing_from_elsewhere(site):
    _, pages = site
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert "<script" not in html and "@import" not in html, page
        assert [each for each in LOADED.findall(html) if ":" in each] == [], page


def test_links_among_pages_lead_somewhere(site):
    out, pages = site
    for page in pages:
        html = page.read_text(encoding="utf-8")
        for target in (*LINKED.findall(html), *LOADED.findall(html)):
            if ":" in target or "notebooks/" in target or "mars_lib/" in target:
                continue  # elsewhere, or of the course and not of this small one
            assert (page.parent / target).is_file(), (page.relative_to(out), target)
    index = (out / "index.html").read_text(encoding="utf-8")
    assert 'href="notebooks/02_policy_gradient.html"' in index and 'href="docs/api.html"' in index


def test_formulas_are_drawn_and_sounds_are_inside(site):
    out, _ = site
    html = (out / "notebooks" / "02_policy_gradient.html").read_text(encoding="utf-8")
    assert html.count("<math") > 30 and "$" not in re.sub(
        r"<pre.*?</pre>|data:[^\"]*", "", html, flags=re.S
    )
    assert html.count("<audio") >= 3 and "data:audio/" in html


def test_code_and_what_markdown_would_read_are_left_alone():
    assert with_mathml("`$x$`\n```\n$y$\n```") == "`$x$`\n```\n$y$\n```"
    star = with_mathml("$y^*$ and $z^*$")
    assert "*" not in star and star.count("<math") == 2


def test_there_must_be_a_course(tmp_path):
    with pytest.raises(InputError, match="holds no notebooks; run from the folder of the course"):
        make_site(tmp_path, tmp_path / "out")
