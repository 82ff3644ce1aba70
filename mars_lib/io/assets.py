"""Paths of what comes with the package: class list, drawings, pretrained checkpoints, manifests."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """Return the `data` folder of a checkout, or its copy inside an installed package."""
    checkout = PACKAGE.parent / "data"
    return checkout if (checkout / "classes.json").is_file() else PACKAGE / "shipped_data"


def checkpoint(name: str) -> Path:
    """Return the path of a pretrained checkpoint.

    Args:
        name: "pathwise-small", "separator-small", "minibind", "aligned", "mlbp", "judge", "words",
            "minibind2" or "aligned2".
    """
    return folder() / "checkpoints" / f"{name}.safetensors"
