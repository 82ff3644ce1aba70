"""Five questions at the end of every notebook, from `data/quiz.json`."""

import json
from collections.abc import Sequence

from mars_lib.check import fail, one_of
from mars_lib.io import assets

LETTERS = "abc"


def quiz(notebook: str, answers: Sequence[str]) -> int:
    """Print the questions of a notebook, and what is right of the answers.

    Args:
        notebook: its number, "00" to "08", or "template".
        answers: a letter for each question, "" for one that is still open.

    Returns:
        How many answers are right.

    Raises:
        InputError: for a notebook without questions, and another number of answers.
    """
    table = json.loads((assets.folder() / "quiz.json").read_text(encoding="utf-8"))
    one_of("notebook", notebook, table)
    questions = table[notebook]
    if len(answers) != len(questions):
        fail("answers", f"are {len(answers)}", f'give {len(questions)}, "" for what is open')
    right = 0
    for number, (asked, answer) in enumerate(zip(questions, answers), 1):
        print(f"{number}. {asked['question']}")
        given = str(answer).strip().lower()
        for letter, option in zip(LETTERS, asked["answers"]):
            print(f"   {letter}) {option}")
        if given == asked["right"]:
            right += 1
            print(f"   -> {given} is right. {asked['why']}")
        elif given:
            print(f"   -> {given} is not right; look again")
    print(f"{right} of {len(questions)} right")
    return right
