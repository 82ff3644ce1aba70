"""The shape of the package, held by a walk over its syntax trees."""

import ast
import graphlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mars_lib"
FILES = sorted(PACKAGE.rglob("*.py"))
# By their names below the package; the package itself is "".
MODULES = {
    ".".join(p for p in path.relative_to(PACKAGE).with_suffix("").parts if p != "__init__"): path
    for path in FILES
}
# Reading order is import order: a module imports only from rooms that stand before its own.
ORDER = (
    *("check", "config", "io"),
    # The paper, in the order of its data.
    *("waveform", "stft", "mask", "query", "separator", "beta", "policy", "reward", "rollout"),
    *("advantage", "loss"),
    # What stands beside it.
    *("show", "data.synthesis", "data", "data.videos", "encoders", "evaluation", "inference"),
    *("training", "alignment", "baselines", "experiments", "exercises", "course", "cli"),
)
FLOORS = 10
# Packages that not every user installs, or that take long to load: each is imported in one file.
ONE_PLACE = {
    "matplotlib": "show/plots.py",
    "ipywidgets": "show/widgets.py",
    "museval": "evaluation/museval_reference.py",
    "imagebind": "encoders/imagebind.py",
    "transformers": "io/hf_folder.py",
    "papermill": "course/notebooks.py",
    "nbformat": "course/pages.py",
    "nbconvert": "course/pages.py",
    "latex2mathml": "course/pages.py",
    "jupyter_client": "course/notebooks.py",
    "psutil": "course/notebooks.py",
    "tensorboard": "training/log.py",
    "av": "io/sound_file.py",
    "IPython": "show/notebook_output.py",
    "lightning_fabric": "training/distributed.py",
}


def imported(node: ast.AST) -> list[str]:
    """Full names of what one import statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def imports(path: Path) -> list[str]:
    return [name for node in ast.walk(ast.parse(path.read_text())) for name in imported(node)]


def own(path: Path) -> set[str]:
    """The modules of the package that a file imports, without the package's name."""
    found = set()
    for name in imports(path):
        if name == "mars_lib" or name.startswith("mars_lib."):
            inner = name.removeprefix("mars_lib").removeprefix(".")
            while inner and inner not in MODULES:
                inner = inner.rpartition(".")[0]
            found.add(inner)
    return found


def room(module: str) -> str:
    """The entry of `ORDER` that a module belongs to: the longest that it begins with."""
    rooms = [name for name in ORDER if module == name or module.startswith(name + ".")]
    assert rooms, f"{module} has no place in ORDER"
    return max(rooms, key=len)


@pytest.mark.parametrize("module", [name for name in MODULES if name])
def test_a_module_imports_only_from_rooms_before_its_own(module):
    place = ORDER.index(room(module))
    for other in own(MODULES[module]):
        assert other, f"{module} imports the package that it is a part of"
        if room(other) != room(module):
            assert ORDER.index(room(other)) < place, f"{module} imports {other}"


def test_no_room_imports_in_circles():
    inside = {
        module: {other for other in own(path) if other and room(other) == room(module)} - {module}
        for module, path in MODULES.items()
        if module
    }
    # The face of a folder stands above its files.
    graphlib.TopologicalSorter(inside).prepare()


def test_there_are_few_floors():
    rests_on = {name: set() for name in ORDER}
    for module, path in MODULES.items():
        if module:
            rests_on[room(module)] |= {room(other) for other in own(path) if other}
    floors: dict[str, int] = {}
    for name in ORDER:
        floors[name] = 1 + max((floors[other] for other in rests_on[name] - {name}), default=0)
    assert max(floors.values()) <= FLOORS, floors


def test_a_metric_does_not_know_the_objective():
    for path in (PACKAGE / "evaluation").glob("*.py"):
        assert not {room(name) for name in own(path)} & {
            "reward",
            "policy",
            "encoders",
            "separator",
        }


def inner_imports(path: Path) -> list[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text())
    bodies = [node for node in ast.walk(tree) if isinstance(node, functions)]
    return [name for body in bodies for node in ast.walk(body) for name in imported(node)]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_optional_packages_are_imported_in_one_place_and_all_others_at_the_top(path):
    where = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        assert where == ONE_PLACE.get(name.split(".")[0], where), f"{where} imports {name}"
    for name in inner_imports(path):
        package = (
            "tensorboard" if name.startswith("torch.utils.tensorboard") else name.split(".")[0]
        )
        assert where == ONE_PLACE.get(package), f"{where} imports {name} inside a function"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = node.end_lineno - node.lineno + 1
            assert lines <= 60, f"{node.name} has {lines} lines"


def test_no_two_files_share_a_name_and_names_say_something():
    names = Counter(path.stem for path in FILES if not path.stem.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []
    assert not names.keys() & {"utils", "util", "common", "helpers", "misc", "commands"}


def test_import_loads_no_plots_no_widgets_and_no_weights():
    code = """
import builtins, sys
opened, real = [], builtins.open
builtins.open = lambda f, *a, **k: (opened.append(str(f)), real(f, *a, **k))[1]
import mars_lib
heavy = {"matplotlib", "ipywidgets", "IPython", "papermill", "lightning_fabric", "tensorboard"}
print(sorted(heavy & set(sys.modules)), [f for f in opened if f.endswith("safetensors")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_no_loader_that_could_run_code():
    for path in FILES:
        tree = ast.parse(path.read_text())
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            assert name not in ("pickle.load", "pickle.loads")
            if name == "torch.load":
                # ImageBind is published as a pickle: read in one place, after its checksum, and by
                # the unpickler that runs nothing.
                assert path.relative_to(PACKAGE).as_posix() == "io/published_weights.py"
                assert "weights_only=True" in [ast.unparse(keyword) for keyword in call.keywords]
