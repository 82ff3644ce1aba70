"""The students' copies of the notebooks: without solutions, and without what the cells printed."""

import re
from pathlib import Path

from mars_lib.check import fail
from mars_lib.course.pages import read, write
from mars_lib.io.paths import output_folder

SOLUTION = re.compile(r"\n*<details><summary>Solution</summary>.*?</details>", re.S)


def write_student_copies(notebooks: Path, out: Path) -> list[Path]:
    """Write every notebook into `out`, without its solutions and outputs; hints stay.

    Args:
        notebooks: the folder of `*.ipynb`.
        out: where the copies go, beside `notebooks` if their links to `../docs` are to work.

    Returns:
        The copies.

    Raises:
        InputError: when no notebook is found, and where a copy would replace its source.
    """
    paths = sorted(notebooks.glob("*.ipynb"))
    if not paths:
        fail(str(notebooks), "holds no notebook", "run from the folder of the course")
    if out.resolve() == notebooks.resolve():
        fail(str(out), "holds the notebooks themselves", "give another folder")
    output_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        notebook = read(path)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = SOLUTION.sub("", cell.source)
            else:
                cell.outputs, cell.execution_count = [], None
        write(notebook, out / path.name)
    return [out / path.name for path in paths]
