import shutil

import pytest

from mars_lib.check import InputError
from mars_lib.course import notebooks, pages
from mars_lib.course.address import write_address

NAMES = ("00_hear_a_separation.ipynb", "02_policy_gradient.ipynb")
TEMPLATE = "docs/template.ipynb"
URL = "https://github.com/somebody/mars-sep"


@pytest.fixture
def checkout(root, tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in NAMES:
        shutil.copy(root / "notebooks" / name, tmp_path / "notebooks" / name)
    (tmp_path / "docs").mkdir()
    for name in ("README.md", TEMPLATE):
        shutil.copy(root / name, tmp_path / name)
    return tmp_path


def texts(folder):
    return {path.name: path.read_text() for path in sorted(folder.rglob("*.*")) if path.is_file()}


def test_the_address_is_written_everywhere_and_taken_away_again(checkout):
    before = texts(checkout)
    written = write_address(URL, checkout)
    assert [path.name for path in written] == [*NAMES, "template.ipynb", "README.md"]
    found = texts(checkout)
    for name in NAMES:
        assert f'REPOSITORY = \\"{URL}\\"' in found[name]
        badge = f"github/somebody/mars-sep/blob/main/notebooks/{name}"
        assert found[name].count(badge) == 1
        path = checkout / "notebooks" / name
        assert pages.read(path).metadata["mars"]["source_hash"] == notebooks.source_hash(path)
    assert f"blob/main/notebooks/{NAMES[0]}" in found["README.md"]
    template = found["template.ipynb"]
    assert f'REPOSITORY = \\"{URL}\\"' in template and "Colab" not in template
    write_address(URL, checkout)
    assert texts(checkout) == found
    write_address("", checkout)
    assert texts(checkout) == before


def test_an_address_elsewhere_has_no_badge(checkout):
    write_address("https://example.org/mars-sep.git", checkout)
    found = texts(checkout)
    assert all("Open in Colab" not in text for text in found.values())
    assert 'REPOSITORY = \\"https://example.org/mars-sep.git\\"' in found[NAMES[1]]


def test_what_is_no_address_is_refused_before_anything_is_written(checkout, tmp_path):
    before = texts(checkout)
    with pytest.raises(InputError, match="address: is 'a\" b'"):
        write_address('a" b', checkout)
    assert texts(checkout) == before
    with pytest.raises(InputError, match="has no notebooks"):
        write_address(URL, tmp_path / "notebooks")
