import copy
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from mars_lib.check import InputError
from mars_lib.course import notebooks

HERE = Path(__file__).resolve().parent
NOTEBOOKS = sorted((HERE.parents[1] / "notebooks").glob("*.ipynb"))
# What a new notebook is copied from, docs/template.ipynb, beside those.
TEMPLATE = HERE.parents[1] / "docs" / "template.ipynb"
ALL = [*NOTEBOOKS, TEMPLATE]

spec = importlib.util.spec_from_file_location("notebook_lint", HERE / "lint.py")
rules = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rules)


def read(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def test_there_are_notebooks():
    assert [path.name[:2] for path in NOTEBOOKS][:2] == ["00", "01"]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_holds_to_the_template(path):
    words = rules.FEW_WORDS if path == TEMPLATE else rules.WORDS
    assert rules.lint(read(path), path.stat().st_size, words) == []


def test_all_share_one_bootstrap_cell():
    assert len({rules.tagged(read(path), "bootstrap")[0]["source"] for path in ALL}) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_not_older_than_their_source(path):
    stamped = read(path)["metadata"].get("mars", {}).get("source_hash")
    assert stamped == notebooks.source_hash(path), "run `make outputs`"


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_runs_in_the_smoke_profile_without_a_network(path, tmp_path, no_network):
    run = notebooks.run_notebook(path, tmp_path / path.name, "smoke")
    assert run.problem == "" and run.headline
    assert (tmp_path / path.with_suffix(".html").name).stat().st_size > 10_000


def change(notebook, **edits):
    """A copy of a notebook with one thing broken."""
    broken = copy.deepcopy(notebook)
    for cell in broken["cells"]:
        for old, new in edits.get("replace", {}).items():
            cell["source"] = cell["source"].replace(old, new)
        cell["metadata"]["tags"] = [t for t in rules.tags(cell) if t != edits.get("untag")]
    broken["metadata"].update(edits.get("metadata", {}))
    if "cell" in edits:
        broken["cells"].append(
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": "", **edits["cell"]}
        )
    return broken


def shown(html):
    """An output that is HTML."""
    return {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ({"replace": {"\n## ": "\n# "}}, "headings of level 1"),
        ({"replace": {"\n## ": "\n#### "}}, "level is skipped"),
        ({"replace": {"**How long.**": ""}}, "'How long'"),
        ({"replace": {"show.pipeline_map(": "print("}}, "map of the pipeline"),
        ({"cell": {"source": "\n".join(["x = 1"] * 26)}}, "26 lines"),
        ({"cell": {"source": "x = '" + "y" * 99 + "'"}}, "over 100 columns"),
        ({"untag": "parameters"}, "0 cells tagged parameters"),
        ({"untag": "bootstrap"}, "0 cells tagged bootstrap"),
        ({"untag": "predict"}, "fewer than two"),
        ({"replace": {"SEED = 0": "SEED = 1 + 1"}}, "more than literals"),
        ({"replace": {"SEED = 0": "SEEDS = 0"}}, "lacks PROFILE or SEED"),
        ({"cell": {"source": "import pandas"}}, "imports pandas"),
        ({"untag": "exercise"}, "fewer than 3"),
        ({"replace": {"<summary>Hint 2": "<summary>"}}, "no folded Hint 2"),
        ({"untag": "formula-check"}, "no numeric check"),
        ({"replace": {"## Pitfall": "## Ditch"}}, "no section on pitfall"),
        ({"replace": {"## Summary": "## Summary\n\n![](x.png)"}}, "without alternative text"),
        ({"cell": {"outputs": [shown('<img alt="" src="data:,">')]}}, "without alternative text"),
        ({"cell": {"outputs": [shown('<img alt="a figure" src="data:,">')]}}, "does not say"),
        ({"cell": {"outputs": [shown('<audio src="data:,">')]}}, "player without a name"),
        ({"cell": {"outputs": [shown('<b style="color:#888">a</b>')]}}, "hard to read"),
        ({"replace": {"## Summary": "| a | b |\n\n## Summary"}}, "no headers"),
        ({"metadata": {"widgets": {}}}, "widget state"),
        ({"metadata": {"kernelspec": {"name": "mine"}}}, "not python3"),
        ({"cell": {"outputs": [{"output_type": "error"}]}}, "holds an error"),
        ({"cell": {"source": "open('/home/me/x')"}}, "path of a machine"),
        ({"replace": {"`mars_lib.load`": "`mars_lib.lode`"}}, "mars_lib.lode does not exist"),
        ({"replace": {"`mars_lib.waveform.mix`": "`mars_lib.wave.mix`"}}, "mars_lib.wave.mix does"),
        ({"replace": {"mars_lib.io": "mars_lib.inout"}}, "mars_lib.inout does not exist"),
        ({"cell": {"source": "# see benchmarks/none.py"}}, "benchmarks/none.py does not exist"),
    ],
)
def test_the_lint_sees_each_fault(edits, says):
    clean = read(NOTEBOOKS[0])
    assert any(says in problem for problem in rules.lint(change(clean, **edits)))


def test_the_lint_sees_too_little_prose():
    short = change(read(NOTEBOOKS[0]))
    for cell in short["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = cell["source"][:60]
    assert any("words of prose" in problem for problem in rules.lint(short))


def test_the_lint_sees_a_large_file():
    assert "bytes" in rules.lint(read(NOTEBOOKS[0]), 2_000_000)[0]


def simple(tmp_path, *sources):
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    notebook.cells[0].metadata["tags"] = ["parameters"]
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "", "language": "python"}
    }
    folder = tmp_path / "notebooks"
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / "00_x.ipynb")
    return folder


GOOD = "from mars_lib import show\nshow.headline('count', 3, 'dB', look='here')"


def test_course_runs_once_and_again_only_after_a_change(tmp_path, capsys):
    folder = simple(tmp_path, "PROFILE = 'cpu'", GOOD)
    assert notebooks.run_course(folder, tmp_path / "out", "smoke")
    first = capsys.readouterr().out
    assert "count: 3.00 dB" in first and "where to look" in first and "here" in first
    before = (tmp_path / "out" / "00_x.ipynb").stat().st_mtime_ns
    assert notebooks.run_course(folder, tmp_path / "out", "smoke")
    assert (tmp_path / "out" / "00_x.ipynb").stat().st_mtime_ns == before
    simple(tmp_path, "PROFILE = 'cpu'", GOOD + "\n")
    assert notebooks.run_course(folder, tmp_path / "out", "smoke")
    assert (tmp_path / "out" / "00_x.ipynb").stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("print('no headline')", "did not reach its headline"),
        ("import sys; sys.exit(0)", "did not reach its headline"),
    ],
)
def test_course_reports_a_notebook_that_fails(tmp_path, capsys, source, says):
    folder = simple(tmp_path, "PROFILE = 'cpu'", source)
    assert not notebooks.run_course(folder, tmp_path / "out", "smoke")
    out = capsys.readouterr().out
    assert "FAILED" in out and says in out


def test_course_refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(InputError, match="profile"):
        notebooks.run_course(tmp_path, tmp_path / "out", "moon")
    with pytest.raises(InputError, match="no such notebook"):
        notebooks.run_course(tmp_path, tmp_path / "out", "smoke")


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_an_unknown_profile_is_named_at_the_setup_cell(path):
    """In each notebook the first cell after the bootstrap refuses what is no profile."""
    cells = rules.code(read(path))
    setup = cells[1 + next(i for i, cell in enumerate(cells) if "bootstrap" in rules.tags(cell))]
    with pytest.raises(InputError, match="profile: is 'laptop'; give one of smoke, cpu, gpu"):
        exec(setup["source"], {"PROFILE": "laptop", "SEED": 0})


def test_a_damaged_ledger_of_the_course_begins_anew_with_a_warning(tmp_path, monkeypatch):
    folder, out = simple(tmp_path, "PROFILE = 'cpu'", GOOD), tmp_path / "out"
    out.mkdir()
    done = notebooks.Run("00_x", 0.1, 1.0, "count: 3.00 dB", "", "", "mark")
    monkeypatch.setattr(notebooks, "run_notebook", lambda *_: done)
    for damaged in ("{", '{"00_x": 3}', '{"00_x": {"fingerprint": "mark", "problem": ""}}'):
        (out / "course.json").write_text(damaged)
        with pytest.warns(UserWarning, match="course.json is damaged"):
            assert notebooks.run_course(folder, out, "smoke")
        assert json.loads((out / "course.json").read_text()) == {"00_x": vars(done)}


def test_a_kernel_that_dies_is_a_problem_of_its_notebook_alone(tmp_path):
    folder = simple(tmp_path, "PROFILE = 'cpu'", "import os\nos._exit(1)")
    run = notebooks.run_notebook(folder / "00_x.ipynb", tmp_path / "00_x.ipynb", "smoke")
    assert "Kernel died" in run.problem


def test_weights_that_were_converted_leave_a_notebook_as_it_was(tmp_path, monkeypatch):
    folder, data = simple(tmp_path, "PROFILE = 'cpu'", GOOD), tmp_path / "data"
    (data / "weights").mkdir(parents=True)
    monkeypatch.setattr(notebooks.assets, "folder", lambda: data)
    marks = []
    for name in ("README.md", "weights/imagebind_huge.pth", "weights/imagebind_huge.safetensors"):
        (data / name).write_text("new")
        marks.append(notebooks.fingerprint(folder / "00_x.ipynb", "cpu"))
    assert marks[0] != marks[1] == marks[2]


def test_the_kernel_is_this_interpreter_whatever_is_installed(tmp_path, monkeypatch):
    """A kernelspec of the same name that comes first on JUPYTER_PATH would start something else."""
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    foreign = {
        "argv": ["/bin/false", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    (spec / "kernel.json").write_text(json.dumps(foreign))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    folder = simple(
        tmp_path,
        "PROFILE = 'cpu'",
        "import sys\n" + GOOD.replace("look='here'", "look=sys.executable"),
    )
    run = notebooks.run_notebook(folder / "00_x.ipynb", tmp_path / "00_x.ipynb", "smoke")
    assert (run.problem, run.look) == ("", sys.executable)


def test_a_page_shows_what_a_slider_shows_at_first(tmp_path):
    """In HTML no kernel moves the slider: its picture and its player stand there."""
    draw = 'render = lambda x: f\'<img alt="at {x}" src="data:,"><audio controls></audio>\''
    slider = "show.slider(render, 'kappa', low=0, high=9, value=2.5, step=0.5)"
    cell = f"{draw}\nfrom mars_lib import show\n{slider}"
    folder = simple(tmp_path, "PROFILE = 'cpu'", cell, GOOD)
    run = notebooks.run_notebook(folder / "00_x.ipynb", tmp_path / "00_x.ipynb", "smoke")
    page = (tmp_path / "00_x.html").read_text()
    assert run.problem == "" and "VBox(" not in page
    assert (
        page.count('alt="at 2.5"') == page.count("<audio") == 1
        and "kappa 2.5; in a running notebook" in page
    )
    # A running Jupyter prefers the widget.
    (output,) = read(tmp_path / "00_x.ipynb")["cells"][-2]["outputs"]
    assert "application/vnd.jupyter.widget-view+json" in output["data"]
