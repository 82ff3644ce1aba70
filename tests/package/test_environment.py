"""pyproject.toml, environment.yml and the lock say the same."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from mars_lib.course import hosted

ROOT = Path(__file__).resolve().parents[2]


# For those who have weights of these encoders: neither in the lock nor in the environment.
OPTIONAL = {"pe-av", "clap"}
# Packages that are installed without their dependencies.
BARE = ("soundfonts.in", "imagebind.in", "trunks.in")


def extras():
    """{extra: its lines} of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def bare(*files):
    """The lines of *.in files, without comments."""
    lines = [
        line.split("#")[0] for name in files for line in (ROOT / name).read_text().splitlines()
    ]
    return [line.strip() for line in lines if line.strip()]


def wishes():
    """{package: range} of pyproject, extras but `OPTIONAL` included, and of the bare packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = extras()
    lines = project["dependencies"] + [
        line for name in named.keys() - OPTIONAL for line in named[name]
    ]
    pairs = (re.match(r"([\w-]+)(.*)", line).groups() for line in (*lines, *bare(*BARE)))
    return {name: wanted for name, wanted in pairs if name != "mars-lib"}


def test_environment_yml_has_the_same_packages_and_ranges():
    text = (ROOT / "environment.yml").read_text()
    found = dict(re.findall(r"^      - ([\w-]{2,}?)([<>=][^#;\n]*?)(?:;.*?)?  # \w", text, re.M))
    assert found == wishes()
    lines = [
        line for line in text.splitlines() if re.match(r" +- [a-z-]", line) and "forge" not in line
    ]
    assert all("#" in line or line.endswith("pip:") for line in lines), (
        "each line says who needs it"
    )
    assert lines[-1].startswith("      - -e .  #"), "it ends with the course itself"


def test_an_extra_holds_the_extras_that_it_names():
    named = extras()
    for lines in named.values():
        for inner in re.findall(r"mars-lib\[([\w,-]+)\]", " ".join(lines)):
            assert set(inner.split(",")) <= named.keys()


def test_the_lock_is_complete_hashed_and_names_no_address():
    text = (ROOT / "requirements.lock").read_text()
    pinned = {m.lower().replace("_", "-") for m in re.findall(r"^([\w.-]+)==", text, re.M)}
    assert {name.lower().replace("_", "-") for name in wishes()} <= pinned
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text and "index-url" not in text


def test_the_lock_of_encoders_fits_the_optional_extras():
    text = (ROOT / "encoders.lock").read_text()
    both = (ROOT / "requirements.lock").read_text() + text
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", both, re.M))
    for wanted in (Requirement(line) for name in OPTIONAL for line in extras()[name]):
        assert wanted.specifier.contains(pinned[wanted.name]), wanted
    assert not set(re.findall(r"^([\w.-]+)==", text, re.M)) & wishes().keys()
    assert (
        all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text.strip()))
        and "://" not in text
    )


def test_a_hosted_notebook_gets_the_locked_packages_of_data():
    # ImageBind's package is the one that only the `gpu` profile needs.
    assert {*hosted.DATA, "imagebind.in"} == set(BARE)
