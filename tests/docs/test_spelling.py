"""Spelling: codespell's configuration sees what it should, and the prose is British."""

import re
import subprocess
import sys
from functools import cache
from importlib import resources

import pytest

from tests.docs.texts import ROOT, texts, without_code

# British too, in one of their senses.
BOTH = {"biased", "license", "licensed", "practice", "program", "programs", "story", "meter"}
WRONG = "rec" + "ieve"


def american(text: str) -> list[str]:
    """Words in American spelling: not in code, quotes, addresses, and titles of papers."""
    prose = re.sub(
        r'"[^"]*"|\*[^*\n]+\*|Noto Color Emoji|\]\([^)]*\)|https?:\S+', " ", without_code(text)
    )
    words = set(re.findall(r"(?<![\w-])[a-z]+(?![\w-])", prose.lower()))
    return sorted(words & set(table()) - BOTH)


@cache
def table() -> dict[str, str]:
    """{American spelling: British spelling}, from codespell's list of the reverse."""
    file = resources.files("codespell_lib") / "data" / "dictionary_en-GB_to_en-US.txt"
    pairs = (line.split("->") for line in file.read_text(encoding="utf-8").splitlines())
    return {
        word.strip(): british for british, others in pairs for word in others.split(",") if word
    }


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_prose_is_british(path):
    assert american(texts()[path]) == []


def test_what_is_american_is_seen():
    text = 'The color of a normalized `color`, "a color", *Color of Noise*; a color-blind program'
    assert american(text) == ["color", "normalized"]
    assert american(text.replace("color of a normalized", "colour of a normalised")) == []


@pytest.mark.parametrize(
    ("name", "text", "seen"),
    [
        ("a.md", f"They {WRONG} it.", True),
        ("a.py", f"# They {WRONG} it.", True),
        ("a.ipynb", f'{{"source": ["They {WRONG} it."]}}', True),
        ("a.ipynb", f'{{"data": "{50 * "QUJD"}/{WRONG}/{50 * "QUJD"}=="}}', False),
        ("a.md", "They receive colour.", False),
    ],
)
def test_codespell_sees_a_misspelling(name, text, seen, tmp_path):
    (tmp_path / name).write_text(text + "\n")
    options = ["--toml", str(ROOT / "pyproject.toml"), str(tmp_path / name)]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *options], capture_output=True, text=True
    )
    assert bool(done.returncode) == seen == (WRONG in done.stdout), done.stdout + done.stderr
