"""Formulas of every text: balanced, in commands that all viewers know, and drawn as MathML."""

import re
from xml.etree import ElementTree

import pytest

from mars_lib.course.pages import CODE, FORMULA, with_mathml
from tests.docs.texts import ROOT, texts

# What the course uses: GitHub and JupyterLab draw these with MathJax 3 and its AMS extension, and
# `mars site` with latex2mathml. A new one is to be tried in all three before it comes in here.
KNOWN = set(
    re.findall(
        r"\\(?:[A-Za-z]+|.)",
        r"""
        \alpha \beta \epsilon \eta \Gamma \kappa \lambda \mu \nabla \phi \pi \psi \sigma \tau \theta
        \cos \exp \log \max \min \prod \sum \frac \sqrt \cdot \times \odot \pm \ge \sim \mid \to
        \leftarrow \langle \rangle \lVert \rVert \Vert \big \Big \left \right \bar \hat \tilde
        \mathbb \mathcal \text \phantom \quad \qquad \, \; \ """,
    )
)
# How many parts an element of MathML has.
PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3}


def faults(text: str) -> list[str]:
    """What is wrong with the formulas of a text."""
    problems = []
    for part in CODE.split(text)[::2]:
        if "$" in re.sub(r"\\\$", "", FORMULA.sub("", part)):
            problems.append("a $ has no partner")
        for found in FORMULA.finditer(part):
            problems += [f"{found[0]}: {fault}" for fault in _faults(found)]
    return problems


def _faults(found: re.Match) -> list[str]:
    formula, problems = found["block"] or found["inline"], []
    bare = re.sub(r"\\[{}]", "", formula)
    depths = [bare[:i].count("{") - bare[:i].count("}") for i in range(len(bare) + 1)]
    if min(depths) < 0 or depths[-1] != 0:
        problems.append("braces do not match")
    for one, other in ((r"\\left\b", r"\\right\b"), (r"\\langle\b", r"\\rangle\b")):
        if len(re.findall(one, formula)) != len(re.findall(other, formula)):
            problems.append(f"{one[1:-2]} and {other[1:-2]} do not match")
    # GitHub takes a dollar beside a space for money.
    if found["inline"] and found["inline"] != found["inline"].strip():
        problems.append("a space stands beside the $")
    unknown = set(re.findall(r"\\(?:[A-Za-z]+|.)", formula, re.S)) - KNOWN
    problems += [f"{command} is none of the commands known" for command in sorted(unknown)]
    try:
        drawn = with_mathml(found[0])
    except Exception as error:  # of latex2mathml, in any way
        return [*problems, f"it does not become MathML: {type(error).__name__}"]
    tree = ElementTree.fromstring(drawn)
    for each in tree.iter():
        kind = each.tag.rpartition("}")[2]
        if len(each) != PARTS.get(kind, len(each)):
            problems.append(f"a part of its {kind} is missing")
        if "\\" in (each.text or ""):
            problems.append("MathML leaves a command as it is")
    return problems


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_formulas_are_drawn_everywhere(path):
    assert faults(texts()[path]) == []


def test_the_list_of_commands_holds_no_more_than_is_used():
    whole = "\n\n".join(texts().values())
    formulas = [found[0] for part in CODE.split(whole)[::2] for found in FORMULA.finditer(part)]
    assert len(formulas) > 250
    assert KNOWN == set(re.findall(r"\\(?:[A-Za-z]+|.)", " ".join(formulas), re.S))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (r"$x$, `$x`, $$\frac{a}{b}$$ and \$", ""),
        ("```\n$x\n```", ""),
        ("$x$ and $y", "no partner"),
        ("$$x$", "no partner"),
        (r"$\frac{a}{b$", "braces do not match"),
        (r"$}a{$", "braces do not match"),
        (r"$\left( a )$", r"\left and \right do not match"),
        (r"$\langle a, b$", r"\langle and \rangle do not match"),
        ("$ x$", "beside the $"),
        (r"$\argmax x$", r"\argmax is none"),
        (r"$\nonsense x$", "leaves a command"),
        (r"$\frac{a}$", "a part of its mfrac is missing"),
        ("$x_$", "does not become MathML"),
        (r"$\sqrt$", "does not become MathML"),
    ],
)
def test_what_is_wrong_with_a_formula_is_seen(text, says):
    problems = faults(text)
    assert says in "; ".join(problems) and bool(problems) == bool(says)
