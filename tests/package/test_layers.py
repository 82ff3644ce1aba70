"""The shape of the package, held by a walk over its syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mars_lib"
FILES = sorted(PACKAGE.rglob("*.py"))
WAY = ["waveform", "stft", "query", "separator", "policy", "mask", "reward", "advantage", "loss"]
# A mask must know how to become a waveform before the separator can use it.
WAY_OF_IMPORTS = [
    "waveform",
    "stft",
    "mask",
    "query",
    "separator",
    "policy",
    "reward",
    "advantage",
    "loss",
]
ONE_PLACE = {
    "matplotlib": "show/plots.py",
    "ipywidgets": "show/widgets.py",
    "museval": "evaluation/museval_reference.py",
    "imagebind": "encoders/imagebind.py",
    "transformers": "pretrained.py",
    "papermill": "course.py",
    "av": "sound_file.py",
    "lightning_fabric": "training/processes.py",
}


def imports(path):
    """Full names of everything that a file imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_a_stage_imports_only_stages_before_it():
    for position, stage in enumerate(WAY_OF_IMPORTS):
        path = PACKAGE / f"{stage}.py"
        if path.is_file():
            later = {f"mars_lib.{name}" for name in WAY_OF_IMPORTS[position + 1 :]}
            for name in imports(path):
                assert ".".join(name.split(".")[:2]) not in later, f"{stage} imports {name}"


def test_stages_import_nothing_that_stands_beside_the_way():
    # beta: the mathematics of the policy's distribution.
    allowed = {*WAY, "beta", "check", "config", "atomic", "sound_file"}
    for stage in WAY:
        path = PACKAGE / f"{stage}.py"
        for name in imports(path) if path.is_file() else []:
            if name.startswith("mars_lib."):
                assert name.split(".")[1] in allowed, f"{stage} imports {name}"


def test_a_metric_does_not_know_the_objective():
    forbidden = {"reward", "policy", "encoders", "separator", "system", "training", "alignment"}
    for path in (PACKAGE / "evaluation").glob("*.py"):
        for name in imports(path):
            parts = name.split(".")
            assert parts[0] != "mars_lib" or parts[1] not in forbidden, f"{path.name}: {name}"


def test_heavy_packages_are_imported_in_one_place():
    for path in FILES:
        where = path.relative_to(PACKAGE).as_posix()
        for name in imports(path):
            assert where == ONE_PLACE.get(name.split(".")[0], where), f"{where} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_files_are_short_and_named_after_what_they_hold(path):
    assert len(path.read_text().splitlines()) <= 250
    assert path.stem not in ("utils", "util", "common", "helpers", "misc")


def test_import_loads_no_plots_no_widgets_and_no_weights():
    code = (
        "import builtins, sys\n"
        "opened, real = [], builtins.open\n"
        "builtins.open = lambda f, *a, **k: (opened.append(str(f)), real(f, *a, **k))[1]\n"
        "import mars_lib\n"
        "heavy = {'matplotlib', 'ipywidgets', 'IPython', 'papermill', 'lightning_fabric', 'tensorboard'}\n"
        "print(sorted(heavy & set(sys.modules)), [f for f in opened if f.endswith('safetensors')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_no_loader_that_could_run_code():
    for path in FILES:
        tree = ast.parse(path.read_text())
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
        for call in calls:
            name = ast.unparse(call.func)
            assert name not in ("pickle.load", "pickle.loads")
            if name == "torch.load":
                # ImageBind is published as a pickle: read in one place, after its checksum, and by
                # the unpickler that runs nothing.
                assert path.relative_to(PACKAGE).as_posix() == "encoders/weights.py"
                assert "weights_only=True" in [ast.unparse(keyword) for keyword in call.keywords]
