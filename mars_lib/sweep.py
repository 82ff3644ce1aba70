"""`mars sweep`: one notebook with many parameters, and a table of their headlines."""

import ast
import itertools
import json
from pathlib import Path

from mars_lib import atomic
from mars_lib.check import fail
from mars_lib.course import run_notebook


def run_sweep(notebook: Path, choices: list[str], out: Path, profile: str = "cpu") -> bool:
    """Run `notebook` for every combination of `choices` ("KAPPA=3,9,27") into `out`; True when all ran.

    The table goes to the screen and to `out/sweep.json`; combinations that are in there are not run again. Raises
    `InputError` before the first run for a name that the notebook's `parameters` cell does not have, and for a value of
    another type than its own.
    """
    known = parameters_of(notebook)
    names, values = zip(*(_choice(text, known) for text in choices)) if choices else ((), ())
    ledger = out / "sweep.json"
    rows = json.loads(ledger.read_text()) if ledger.is_file() else {}
    shown = {}
    for combination in itertools.product(*values):
        given = dict(zip(names, combination))
        label = ", ".join(f"{name}={value}" for name, value in given.items()) or "as it is"
        if rows.get(label, {"problem": "not run"})["problem"]:
            target = out / f"{notebook.stem}-{label.replace(', ', '-').replace('/', '_')}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            run = run_notebook(notebook, target, profile, parameters=given)
            rows[label] = {"headline": run.headline, "problem": run.problem}
            atomic.write_json(ledger, rows)
        shown[label] = rows[label]
    print(sweep_table(shown))
    return not any(row["problem"] for row in shown.values())


def parameters_of(notebook: Path) -> dict:
    """Names and default values of the cell tagged `parameters`."""
    if not notebook.is_file():
        fail(str(notebook), "is not there", "give the path of a notebook")
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            body = ast.parse("".join(cell["source"])).body
            return {n.targets[0].id: ast.literal_eval(n.value) for n in body if isinstance(n, ast.Assign)}
    fail(str(notebook), "has no cell tagged `parameters`", "tag one")


def sweep_table(rows: dict[str, dict]) -> str:
    """One line a combination: its parameters and its headline."""
    width = max(len(label) for label in rows)
    return "\n".join(
        f"{label.ljust(width)}  " + (f"FAILED, {row['problem']}" if row["problem"] else row["headline"])
        for label, row in rows.items()
    )


def _choice(text: str, known: dict) -> tuple[str, list]:
    """("KAPPA", [3.0, 9.0]) of "KAPPA=3,9", each value of the type that the notebook has."""
    name, equals, values = text.partition("=")
    if name not in known:
        fail(f"parameter {name!r}", "is none of the notebook's", f"give one of {', '.join(known)}")
    if not equals or not values:
        fail(f"parameter {name!r}", "has no value", f"write {name}={known[name]}")
    # An empty string stands for "the profile's value": it takes numbers and names alike.
    kind = _literal if known[name] == "" else type(known[name])
    try:
        return name, [kind(value) for value in values.split(",")]
    except ValueError:
        fail(f"parameter {name!r}", f"is {values!r}", f"give {kind.__name__} values, as {known[name]!r}")


def _literal(value: str):
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
