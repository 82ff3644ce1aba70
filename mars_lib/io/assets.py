"""Where the files that ship with the course are: class list, drawings, checkpoints, manifests."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """The `data` folder of a checkout, or its copy inside an installed package."""
    checkout = PACKAGE.parent / "data"
    return checkout if (checkout / "classes.json").is_file() else PACKAGE / "shipped_data"


def checkpoint(name: str) -> Path:
    """The path of a checkpoint that ships: "mars-sep-small", "separator-small", "minibind",
    "aligned", "mlbp" or "judge".
    """
    return folder() / "checkpoints" / f"{name}.safetensors"
