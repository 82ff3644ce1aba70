"""The quizzes: five questions a notebook, each with one right answer of three, checked."""

import json
from pathlib import Path

import pytest

from mars_lib.check import InputError
from mars_lib.exercises import quiz

ROOT = Path(__file__).resolve().parents[2]
TABLE = json.loads((ROOT / "data" / "quiz.json").read_text(encoding="utf-8"))
# By what the quiz calls them: their numbers, and the template.
NOTEBOOKS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
NOTEBOOKS["template"] = ROOT / "docs" / "template.ipynb"


def test_every_notebook_has_five_questions_with_three_answers():
    assert sorted(TABLE) == sorted(NOTEBOOKS)
    for questions in TABLE.values():
        assert len(questions) == 5 and len({asked["question"] for asked in questions}) == 5
        for asked in questions:
            assert len(set(asked["answers"])) == 3 and asked["right"] in "abc" and asked["why"]
    # No letter is a good guess.
    right = "".join(asked["right"] for questions in TABLE.values() for asked in questions)
    assert max(right.count(letter) for letter in "abc") <= len(right) / 2


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_answers_are_checked(number, capsys):
    right = [asked["right"] for asked in TABLE[number]]
    assert quiz(number, right) == 5
    said = capsys.readouterr().out
    assert all(asked["why"] in said for asked in TABLE[number]) and "5 of 5 right" in said
    wrong = [next(letter for letter in "abc" if letter != each) for each in right]
    assert quiz(number, wrong) == 0
    said = capsys.readouterr().out
    assert said.count("is not right; look again") == 5
    assert not any(asked["why"] in said for asked in TABLE[number])
    assert quiz(number, [right[0].upper(), "", "", "", ""]) == 1
    assert capsys.readouterr().out.count("->") == 1


def test_answers_of_another_number_and_other_notebooks_are_refused():
    with pytest.raises(InputError, match='are 2; give 5, "" for what is open'):
        quiz("00", ["a", "b"])
    with pytest.raises(InputError, match="notebook: is '99'"):
        quiz("99", [""] * 5)


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_notebook_asks_its_own_questions_and_leaves_them_open(number):
    cells = json.loads(NOTEBOOKS[number].read_text(encoding="utf-8"))["cells"]
    (cell,) = [c for c in cells if "quiz" in c["metadata"].get("tags", [])]
    source = "".join(cell["source"])
    assert f'exercises.quiz("{number}", my_answers)' in source
    assert 'my_answers = ["", "", "", "", ""]' in source
