import json

import pytest

from mars_lib.check import InputError
from mars_lib.course import notebooks, sweep

LAST = "from mars_lib import show\nshow.headline('kappa plus seed', KAPPA + SEED, 'of both')"


@pytest.fixture
def notebook(tmp_path):
    import nbformat

    cells = [
        nbformat.v4.new_code_cell(s)
        for s in ("PROFILE = 'cpu'\nSEED = 0\nKAPPA = 9.0  # a knob\nLOUD = True", LAST)
    ]
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
    first = (out / "05_knobs-smoke-KAPPA=3.0-SEED=1.ipynb").stat().st_mtime_ns
    assert sweep.run_sweep(notebook, ["KAPPA=3", "SEED=1"], out, "smoke")
    assert (out / "05_knobs-smoke-KAPPA=3.0-SEED=1.ipynb").stat().st_mtime_ns == first
    assert "10.00" not in capsys.readouterr().out
    assert len(json.loads((out / "sweep.json").read_text())) == 2


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (
            "KAPA=3",
            "parameter 'KAPA': is none of the notebook's; give one of PROFILE, SEED, KAPPA, LOUD",
        ),
        ("KAPPA=much", "parameter 'KAPPA': is 'much'; give float values"),
        ("SEED=1.5", "parameter 'SEED': is '1.5'; give int values"),
        ("KAPPA", "has no value"),
        ("LOUD=maybe", "parameter 'LOUD': is 'maybe'; give bool values, as True"),
        ("LOUD=0", "parameter 'LOUD': is '0'; give bool values"),
        ("SEED=True", "parameter 'SEED': is 'True'; give int values"),
        ("KAPPA=nan", "parameter 'KAPPA': is 'nan'; give float values"),
        ("PROFILE=smoke", "parameter 'PROFILE': is the profile of all runs; give it as --profile"),
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


def test_literals_keep_the_notebooks_types():
    known = {"LOUD": True, "SEED": 0, "KAPPA": 9.0, "NAME": "harp", "SIZES": (1, 2)}
    assert sweep._choice("LOUD=False,True", known) == ("LOUD", [False, True])
    assert sweep._choice("SEED=1, -2,1", known) == ("SEED", [1, -2])
    (kappa,) = sweep._choice("KAPPA=3", known)[1]
    assert kappa == 3.0 and type(kappa) is float
    assert sweep._choice("NAME=violin,3", known) == ("NAME", ["violin", "3"])


def test_a_name_that_is_given_twice_and_an_unknown_profile(notebook, tmp_path):
    with pytest.raises(
        InputError,
        match="parameter 'KAPPA': is given twice; write all its values as KAPPA=VALUE,VALUE",
    ):
        sweep.run_sweep(notebook, ["KAPPA=3", "SEED=1", "KAPPA=9"], tmp_path / "out")
    with pytest.raises(InputError, match="profile: is 'laptop'; give one of smoke, cpu, gpu"):
        sweep.run_sweep(notebook, ["KAPPA=3"], tmp_path / "out", "laptop")
    (tmp_path / "text.ipynb").write_text("no JSON")
    with pytest.raises(InputError, match="text.ipynb: is no notebook"):
        sweep.run_sweep(tmp_path / "text.ipynb", ["KAPPA=3"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def counted(monkeypatch):
    """Notebooks that run in no time: each run's headline is its number."""
    done = []

    def run(path, target, profile, mark="", parameters=None):
        done.append((path.stem, profile, parameters))
        return notebooks.Run(path.stem, 0.0, 0.0, f"run {len(done)}", "", "", mark)

    monkeypatch.setattr(sweep, "run_notebook", run)
    return done


def test_another_notebook_or_profile_or_package_has_results_of_its_own(
    notebook, tmp_path, counted, capsys, monkeypatch
):
    out, other = tmp_path / "out", notebook.with_name("06_others.ipynb")
    other.write_text(notebook.read_text())
    for path, profile in (
        (notebook, "smoke"),
        (other, "smoke"),
        (notebook, "cpu"),
        (notebook, "smoke"),
        (other, "smoke"),
    ):
        assert sweep.run_sweep(path, ["KAPPA=3"], out, profile)
    assert [(name, profile) for name, profile, _ in counted] == [
        ("05_knobs", "smoke"),
        ("06_others", "smoke"),
        ("05_knobs", "cpu"),
    ]
    assert [line[-5:] for line in capsys.readouterr().out.splitlines()] == [
        "run 1",
        "run 2",
        "run 3",
        "run 1",
        "run 2",
    ]
    notebook.write_text(notebook.read_text().replace("of both", "of the two"))
    sweep.run_sweep(notebook, ["KAPPA=3"], out, "smoke")
    assert len(counted) == 4
    monkeypatch.setattr(sweep, "fingerprint", lambda *_: "of another package")
    sweep.run_sweep(notebook, ["KAPPA=3"], out, "smoke")
    assert len(counted) == 5


@pytest.mark.parametrize(
    "damaged",
    ["{", "[1]", '{"KAPPA=3.0": {"headline": "old", "problem": ""}}', '{"a": 3}', "\udcff"],
)
def test_a_damaged_ledger_begins_anew_with_a_warning(notebook, tmp_path, counted, damaged):
    out = tmp_path / "out"
    out.mkdir()
    (out / "sweep.json").write_text(damaged, errors="surrogateescape")
    with pytest.warns(
        UserWarning, match="sweep.json is damaged or of another version: everything runs again"
    ):
        assert sweep.run_sweep(notebook, ["KAPPA=3"], out, "smoke")
    assert [row["headline"] for row in json.loads((out / "sweep.json").read_text()).values()] == [
        "run 1"
    ]
