"""pyproject.toml, environment.yml and the lock say the same."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


# For those who have weights that do not ship: neither in the lock nor in the environment.
OPTIONAL = {"imagebind", "pe-av", "clap"}


def wishes():
    """{package: range} of pyproject, extras but `OPTIONAL` included, and the soundfont packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + sum((extras[name] for name in extras.keys() - OPTIONAL), [])
    lines += [
        line.split("#")[0].strip()
        for line in (ROOT / "soundfonts.in").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    pairs = (re.match(r"([\w-]+)(.*)", line).groups() for line in lines)
    return {name: wanted for name, wanted in pairs if name != "mars-lib"}


def test_environment_yml_has_the_same_packages_and_ranges():
    text = (ROOT / "environment.yml").read_text()
    found = dict(re.findall(r"^      - ([\w-]+)([^#\n]*?)  # \w", text, re.M))
    assert found == wishes()
    lines = [
        line for line in text.splitlines() if re.match(r" +- [a-z]", line) and "forge" not in line
    ]
    assert all("#" in line or line.endswith("pip:") for line in lines), (
        "each line says who needs it"
    )


def test_the_lock_is_complete_hashed_and_names_no_address():
    text = (ROOT / "requirements.lock").read_text()
    pinned = {m.lower().replace("_", "-") for m in re.findall(r"^([\w.-]+)==", text, re.M)}
    assert {name.lower().replace("_", "-") for name in wishes()} <= pinned
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text and "index-url" not in text


def test_the_lock_of_encoders_fits_the_optional_extras():
    from packaging.requirements import Requirement

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    text = (ROOT / "encoders.lock").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.M))
    for wanted in (Requirement(line) for name in OPTIONAL for line in extras[name]):
        assert wanted.specifier.contains(pinned[wanted.name]), wanted
    assert (
        "imagebind-unofficial==0.1.1" in (ROOT / "encoders.in").read_text()
        and pinned["imagebind-unofficial"] == "0.1.1"
    )
    assert (
        all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text.strip()))
        and "://" not in text
    )


def test_bootstrap_cell_installs_the_locked_soundfonts():
    import json

    lines = (ROOT / "soundfonts.in").read_text().splitlines()
    wanted = [line.split("#")[0].strip() for line in lines]
    notebook = json.loads((ROOT / "notebooks" / "00_hear_a_separation.ipynb").read_text())
    source = "".join("".join(cell["source"]) for cell in notebook["cells"])
    assert all(line in source for line in wanted if line)
