"""`mars sweep`: one notebook with many parameters, and a table of their headlines."""

import ast
import itertools
import json
from pathlib import Path

from mars_lib import check
from mars_lib.check import fail
from mars_lib.course.notebooks import fingerprint, read_ledger, run_notebook
from mars_lib.io import atomic, paths

COLUMNS = {"headline": str, "problem": str, "fingerprint": str}


def run_sweep(notebook: Path, choices: list[str], out: Path, profile: str = "cpu") -> bool:
    """Run `notebook` for every combination of `choices` ("KAPPA=3,9,27") into `out`; True when all
    ran.

    The table goes to the screen and to `out/sweep.json`; combinations that are in there, of this
    notebook, package, data and profile, are not run again. Raises `InputError` before the first run
    for an unknown profile, for a name that the notebook's `parameters` cell does not have or that
    is given twice, and for a value of another type than its own.
    """
    check.profile(profile)
    known = parameters_of(notebook)
    chosen = [_choice(text, known) for text in choices]
    names = [name for name, _ in chosen]
    for name in names:
        if names.count(name) > 1:
            fail(
                f"parameter {name!r}",
                "is given twice",
                f"write all its values as {name}=VALUE,VALUE",
            )
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
            target = (
                out
                / f"{notebook.stem}-{profile}-{label.replace(', ', '-').replace('/', '_')}.ipynb"
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            run = run_notebook(notebook, target, profile, parameters=given)
            rows[key] = {"headline": run.headline, "problem": run.problem, "fingerprint": mark}
            atomic.write_json(ledger, rows)
        shown[label] = rows[key]
    print(sweep_table(shown))
    return not any(row["problem"] for row in shown.values())


def parameters_of(notebook: Path) -> dict:
    """Names and default values of the cell tagged `parameters`."""
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
    body = ast.parse(tagged[0]).body
    return {n.targets[0].id: ast.literal_eval(n.value) for n in body if isinstance(n, ast.Assign)}


def sweep_table(rows: dict[str, dict]) -> str:
    """One line a combination: its parameters and its headline."""
    width = max(len(label) for label in rows)
    return "\n".join(
        f"{label.ljust(width)}  "
        + (f"FAILED, {row['problem']}" if row["problem"] else row["headline"])
        for label, row in rows.items()
    )


def _choice(text: str, known: dict) -> tuple[str, list]:
    """("KAPPA", [3.0, 9.0]) of "KAPPA=3,9", each value of the type that the notebook has."""
    name, equals, values = text.partition("=")
    if name not in known:
        fail(f"parameter {name!r}", "is none of the notebook's", f"give one of {', '.join(known)}")
    if name == "PROFILE":
        fail("parameter 'PROFILE'", "is the profile of all runs", "give it as --profile")
    if not equals or not values:
        fail(f"parameter {name!r}", "has no value", f"write {name}={known[name]}")
    try:
        return name, [
            _value(word.strip(), known[name]) for word in dict.fromkeys(values.split(","))
        ]
    except ValueError:
        fail(
            f"parameter {name!r}",
            f"is {values!r}",
            f"give {type(known[name]).__name__} values, as {known[name]!r}",
        )


def _value(word: str, default):
    """The literal that a word is, of the default's type; ValueError for another. A default of ""
    stands for the profile's value: it takes all.
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
