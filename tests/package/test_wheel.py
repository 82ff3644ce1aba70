"""The wheel: what it holds, and that it works in an environment of its own, offline."""

import json
import os
import re
import runpy
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 42e6  # bytes
CHECKPOINTS = {"pathwise-small", "separator-small", "minibind2", "aligned2", "words", "judge"}
# Prints what the first two calls of a user give, and which modules they and the command load beyond
# torch's own.
TRY = """
import json, sys
import torch, torchaudio
before = set(sys.modules)
import numpy as np
import mars_lib
system = mars_lib.load()
estimate = system.separate(np.full(16_000, 0.1, np.float32), 16_000, text="violin")
loaded = [sorted({name.partition(".")[0] for name in set(sys.modules) - before})]
import mars_lib.cli.app
loaded += [sorted({name.partition(".")[0] for name in set(sys.modules) - before})]
print(json.dumps([mars_lib.__file__, str(estimate.shape), *loaded]))
"""


def run(*command, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of commands of an environment that holds the wheel and borrows all else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel, env=alone())
    site = next(folder.glob("lib/python*/site-packages"))
    # Its folders without their .pth files: an editable install of the course stays unseen.
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "borrowed.pth").write_text("\n".join(sorted(borrowed)))
    return folder / "bin"


def alone():
    """This environment's variables, with no way to this checkout, to the network or to caches."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    nowhere = "http://127.0.0.1:9"
    return kept | {"http_proxy": nowhere, "https_proxy": nowhere, "HF_HUB_OFFLINE": "1"}


def packages(*extras):
    """Names of the base's packages and of those of some extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named, lines, wanted = project["optional-dependencies"], [], list(extras)
    for extra in wanted:
        lines += named[extra]
        for inner in re.findall(r"mars-lib\[([\w,-]+)\]", " ".join(named[extra])):
            wanted += [each for each in inner.split(",") if each not in wanted]
    lines += project["dependencies"]
    return {re.match(r"[\w-]+", line)[0].lower() for line in lines} - {"mars-lib"}


def of_others(modules, own):
    """Those of `modules` that belong to a package that an extra brings and that is not in `own`."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    others = packages(*named["optional-dependencies"]) - own
    belongs = packages_distributions()
    return {name for name in modules if {d.lower() for d in belongs.get(name, ())} & others}


def test_it_holds_what_inference_and_evaluation_read_and_no_more(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mars_lib").rglob("*.py")}
    code.add("mars_lib/py.typed")
    data = {f"{name}.json" for name in ("classes", "descriptions", "soundfonts")}
    data |= {"manifests/test.jsonl", "manifests/unseen.jsonl"}
    data |= {f"checkpoints/{name}.safetensors" for name in CHECKPOINTS}
    data |= {f"images/{path.parent.name}/{path.name}" for path in drawings()}
    assert names == code | {f"mars_lib/shipped_data/{name}" for name in data}
    assert wheel.stat().st_size < LIMIT


def drawings():
    return (ROOT / "data" / "images").glob("*/*.png")


def test_nothing_of_the_data_goes_in_that_is_not_named():
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = tables["targets"]["wheel"]
    assert not {"force-include", "packages", "artifacts"} & wheel.keys()
    kinds = re.compile(r"/mars_lib/|/data/[\w-]+\.json$|/data/(images/\*|manifests)/\*\.\w+$")
    listed = {f"/data/checkpoints/{name}.safetensors" for name in CHECKPOINTS}
    assert {pattern for pattern in wheel["include"] if not kinds.match(pattern)} == listed


def test_it_separates_elsewhere_with_the_packages_of_the_base(installed, tmp_path):
    said = run(installed / "python", "-c", TRY, cwd=tmp_path, env=alone())
    where, shape, library, command = json.loads(said)
    assert Path(where).is_relative_to(installed.parent) and shape == "(16000,)"
    assert not of_others(library, packages())
    assert not of_others(command, packages("cli"))


def test_its_command_separates_a_file_elsewhere(installed, tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "mix.wav", 0.1 * rng.standard_normal((30_000, 2)), 44_100)
    options = ("mix.wav", "--text", "violin", "-o", "violin.wav")
    said = run(installed / "mars", "separate", *options, cwd=tmp_path, env=alone())
    assert said.strip() == "violin.wav"
    assert soundfile.info(tmp_path / "violin.wav").frames == 30_000


def test_a_command_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r"mars: needs typer; pip install 'mars-lib\[cli\]'"):
        runpy.run_path(str(ROOT / "mars_lib" / "cli" / "__init__.py"))
