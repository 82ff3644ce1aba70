import json

import pytest

from mars_lib import sweep
from mars_lib.check import InputError

LAST = "from mars_lib import show\nshow.headline('kappa plus seed', KAPPA + SEED, 'of both')"


@pytest.fixture
def notebook(tmp_path):
    import nbformat

    cells = [nbformat.v4.new_code_cell(s) for s in ("PROFILE = 'cpu'\nSEED = 0\nKAPPA = 9.0  # a knob", LAST)]
    cells[0].metadata["tags"] = ["parameters"]
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    path = tmp_path / "05_knobs.ipynb"
    nbformat.write(made, path)
    return path


def test_every_combination_runs_once_and_stands_in_the_table(notebook, tmp_path, capsys):
    out = tmp_path / "out"
    assert sweep.run_sweep(notebook, ["KAPPA=3,9", "SEED=1"], out, "smoke")
    shown = capsys.readouterr().out
    assert "KAPPA=3.0, SEED=1  kappa plus seed: 4.00 of both" in shown
    assert "KAPPA=9.0, SEED=1  kappa plus seed: 10.00 of both" in shown
    first = (out / "05_knobs-KAPPA=3.0-SEED=1.ipynb").stat().st_mtime_ns
    assert sweep.run_sweep(notebook, ["KAPPA=3", "SEED=1"], out, "smoke")
    assert (out / "05_knobs-KAPPA=3.0-SEED=1.ipynb").stat().st_mtime_ns == first
    assert "10.00" not in capsys.readouterr().out
    assert len(json.loads((out / "sweep.json").read_text())) == 2


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ("KAPA=3", "parameter 'KAPA': is none of the notebook's; give one of PROFILE, SEED, KAPPA"),
        ("KAPPA=much", "parameter 'KAPPA': is 'much'; give float values"),
        ("SEED=1.5", "parameter 'SEED': is '1.5'; give int values"),
        ("KAPPA", "has no value"),
    ],
)
def test_a_wrong_parameter_is_named_before_anything_runs(notebook, tmp_path, choice, says):
    with pytest.raises(InputError, match=says):
        sweep.run_sweep(notebook, [choice], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_default_takes_numbers_and_names():
    assert sweep._choice("KAPPA=3,9.5", {"KAPPA": ""}) == ("KAPPA", [3, 9.5])
    assert sweep._choice("ESTIMATOR=score", {"ESTIMATOR": ""}) == ("ESTIMATOR", ["score"])


def test_a_notebook_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        sweep.run_sweep(tmp_path / "none.ipynb", ["KAPPA=1"], tmp_path / "out")
