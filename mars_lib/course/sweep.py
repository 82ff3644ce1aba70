"""`mars sweep`: one notebook with many parameters, and a table of their headlines."""

import ast
import itertools
import json
from pathlib import Path
from typing import Any

from mars_lib import check
from mars_lib.check import fail
from mars_lib.course.notebooks import fingerprint, read_ledger, run_notebook
from mars_lib.io import atomic, paths

COLUMNS = {"headline": str, "problem": str, "fingerprint": str}


def run_sweep(notebook: Path, choices: list[str], out: Path, profile: str = "cpu") -> bool:
    """Run one notebook for every combination of values of its parameters.

    The table goes to the screen and to `out/sweep.json`; combinations that are in there, of this
    notebook, package, data and profile, are not run again.

    Args:
        notebook: its path.
        choices: a parameter and its values each, as "KAPPA=3,9,27".
        out: where executed notebooks go.
        profile: "smoke", "cpu" or "gpu".

    Returns:
        Whether all combinations ran to their ends.

    Raises:
        InputError: before the first run, for an unknown profile, for a name that the notebook's
            `parameters` cell does not have or that is given twice, and for a value of another type
            than its own.
    """
    check.profile(profile)
    known = parameters_of(notebook)
    chosen = [_choice(text, known) for text in choices]
    names = [name for name, _ in chosen]
    for name in names:
        if names.count(name) > 1:
            remedy = f"write all its values as {name}=VALUE,VALUE"
            fail(f"parameter {name!r}", "is given twice", remedy)
    paths.output_folder(out)
    ledger, mark = out / "sweep.json", fingerprint(notebook, profile)
    rows = read_ledger(ledger, COLUMNS)
    shown = {}
    for combination in itertools.product(*(values for _, values in chosen)):
        given = dict(zip(names, combination))
        label = ", ".join(f"{name}={value}" for name, value in given.items()) or "as it is"
        key = f"{notebook.stem}, {profile}: {label}"
        row = rows.get(key)
        if row is None or row["problem"] or row["fingerprint"] != mark:
            file = label.replace(", ", "-").replace("/", "_")
            target = out / f"{notebook.stem}-{profile}-{file}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            run = run_notebook(notebook, target, profile, parameters=given)
            rows[key] = {"headline": run.headline, "problem": run.problem, "fingerprint": mark}
            atomic.write_json(ledger, rows)
        shown[label] = rows[key]
    print(sweep_table(shown))
    return not any(row["problem"] for row in shown.values())


def parameters_of(notebook: Path) -> dict[str, Any]:
    """Read names and default values, any literals, of the cell tagged `parameters`."""
    if not notebook.is_file():
        fail(str(notebook), "is not there", "give the path of a notebook")
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        tagged = [
            "".join(cell["source"])
            for cell in cells
            if "parameters" in cell["metadata"].get("tags", [])
        ]
    except (ValueError, KeyError, TypeError):
        fail(str(notebook), "is no notebook", "give an .ipynb file")
    if not tagged:
        fail(str(notebook), "has no cell tagged `parameters`", "tag one")
    found = {}
    for line in ast.parse(tagged[0]).body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            found[line.targets[0].id] = ast.literal_eval(line.value)
    return found


def sweep_table(rows: dict[str, dict]) -> str:
    """Write one line a combination: its parameters and its headline."""
    width = max(len(label) for label in rows)
    results = {
        label: f"FAILED, {row['problem']}" if row["problem"] else row["headline"]
        for label, row in rows.items()
    }
    return "\n".join(f"{label.ljust(width)}  {result}" for label, result in results.items())


def _choice(text: str, known: dict[str, Any]) -> tuple[str, list]:
    """Parse "KAPPA=3,9" to ("KAPPA", [3.0, 9.0]), values of the type that the notebook has."""
    name, equals, values = text.partition("=")
    if name not in known:
        fail(f"parameter {name!r}", "is none of the notebook's", f"give one of {', '.join(known)}")
    if name == "PROFILE":
        fail("parameter 'PROFILE'", "is the profile of all runs", "give it as --profile")
    if not equals or not values:
        fail(f"parameter {name!r}", "has no value", f"write {name}={known[name]}")
    words = dict.fromkeys(values.split(","))
    try:
        return name, [_value(word.strip(), known[name]) for word in words]
    except ValueError:
        remedy = f"give {type(known[name]).__name__} values, as {known[name]!r}"
        fail(f"parameter {name!r}", f"is {values!r}", remedy)


def _value(word: str, default: object) -> object:
    """Read a word as a literal of the default's type; ValueError for another type.

    A default of "" stands for the profile's value: it takes all.
    """
    if isinstance(default, str) and default:
        return word
    try:
        value = ast.literal_eval(word)
    except (ValueError, SyntaxError):
        value = word
    if type(default) is float and type(value) is int:
        value = float(value)
    if default not in ("", None) and type(value) is not type(default):
        raise ValueError(word)
    return value
