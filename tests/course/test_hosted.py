"""The set-up cell and what it runs, without a network: `make test-hosted` tries the whole."""

import importlib.util
import json
import runpy
import subprocess
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from mars_lib.course import hosted


def cell(root, repository):
    notebook = json.loads((root / "notebooks" / "02_policy_gradient.ipynb").read_text())
    found = next(c for c in notebook["cells"] if "bootstrap" in c["metadata"].get("tags", ()))
    source = "".join(found["source"])
    assert 'REPOSITORY = ""' in source
    return source.replace('REPOSITORY = ""', f'REPOSITORY = "{repository}"')


@pytest.fixture
def not_installed(monkeypatch, tmp_path):
    """`mars_lib` cannot be imported, and nothing is installed: the scripts that would be run."""
    ran, find = [], importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "mars_lib" else find(name)
    )
    monkeypatch.setattr(runpy, "run_path", lambda path, run_name: ran.append(path))
    (tmp_path / "host").mkdir()
    monkeypatch.chdir(tmp_path / "host")
    return ran


def test_the_cell_clones_the_repository_by_its_address(root, tmp_path, not_installed, capsys):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    work, bare = tmp_path / "work", tmp_path / "bare.git"
    for name in ("mars_lib/__init__.py", "mars_lib/course/hosted.py"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], cwd=work, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", work, bare], check=True)
    exec(cell(root, bare.as_uri()), {})
    (script,) = not_installed
    assert script == str(tmp_path / "host" / "mars-sep" / "mars_lib" / "course" / "hosted.py")
    assert "cloning" in capsys.readouterr().out
    exec(cell(root, bare.as_uri()), {})  # the next notebook finds what is there
    assert "cloning" not in capsys.readouterr().out and not_installed == [script, script]


def test_without_an_address_the_cell_says_what_to_do(root, not_installed):
    with pytest.raises(ModuleNotFoundError, match="clone the course here"):
        exec(cell(root, ""), {})


def test_wanted_is_the_base_and_what_its_extra_names(root):
    names = {requirement.name for requirement in hosted.wanted(root / "pyproject.toml")}
    assert {"torch", "soxr", "ipywidgets", "lightning-fabric"} <= names
    assert "mars-lib" not in names and "jupyterlab" not in names


def test_what_is_installed_is_kept_and_named_where_it_is_out_of_range():
    here = metadata.version("torch")
    missing, outside = hosted.sorted_out(
        [Requirement("torch<0.1"), Requirement("no-such-package>=1"), Requirement("numpy>=1")]
    )
    assert [requirement.name for requirement in missing] == ["no-such-package"]
    assert outside == [
        f"torch {here} is installed, and the course was tried with <0.1: it stays; if something "
        "fails, this may be the reason"
    ]


def test_only_what_is_missing_is_installed_and_the_rest_is_pinned(monkeypatch, capsys):
    commands, pinned = [], []

    def run(command, **_):
        commands.append(command)
        if "-c" in command:
            with open(command[command.index("-c") + 1], encoding="utf-8") as file:
                pinned.extend(file.read().split())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(hosted.subprocess, "run", run)
    monkeypatch.setattr(hosted, "wanted", lambda _: [Requirement("no-such-package>=1")])
    hosted.main()
    assert commands[0][-1] == "no-such-package>=1" and len(commands) == 3
    assert f"torch=={metadata.version('torch')}" in pinned
    assert all("--no-deps" in command for command in commands[1:])
    assert "the course is ready" in capsys.readouterr().out
    monkeypatch.setattr(
        hosted.subprocess, "run", lambda c, **_: subprocess.CompletedProcess(c, 1, "", "no network")
    )
    with pytest.raises(SystemExit, match="pip failed\nno network"):
        hosted.main()
