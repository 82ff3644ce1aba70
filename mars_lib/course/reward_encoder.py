"""Who hears in notebooks 03 to 05: ImageBind where its weights are, in the gpu profile, and
MiniBind otherwise.
"""

from dataclasses import dataclass
from pathlib import Path

from mars_lib.data import manifests
from mars_lib.encoders.base import Encoder
from mars_lib.inference import pretrained
from mars_lib.io import assets
from mars_lib.reward import MLBP
from mars_lib.training.mlbp import train_mlbp

# Where `mars data fetch-imagebind data/weights` puts them, and what stays of them after they were
# read once.
FILES = ("imagebind_huge.safetensors", "imagebind_huge.pth")


@dataclass(frozen=True)
class RewardModel:
    """An encoder by name, the fusion of modalities that fits it, and a sentence on what that means
    for the reader.
    """

    name: str
    encoder: Encoder
    pooling: MLBP
    note: str

    def __str__(self) -> str:
        return f"{self.name} hears: {self.note}"


def load(
    profile: str, weights: str | Path = "", device: str = "cpu", progress: bool = True
) -> RewardModel:
    """ImageBind from `weights`, or in the profile "gpu" from `data/weights` where it lies there;
    else MiniBind, which ships. Downloads nothing.

    ImageBind's fusion is trained here, on 16 clips and drawings of every class of mini-MUSIC, 2 in
    the profile "smoke" (`mars_lib.training.mlbp`). Raises `InputError` for weights that are
    missing, damaged or of another model, and where the package `imagebind` is not installed.
    """
    path = Path(weights) if str(weights) else _found() if profile == "gpu" else None
    if path is None:
        looked = (
            "ImageBind is not in data/weights"
            if profile == "gpu"
            else "ImageBind is looked for in the gpu profile"
        )
        return RewardModel(
            "MiniBind",
            pretrained.load_minibind().to(device),
            pretrained.load_mlbp().to(device),
            looked,
        )
    encoder = pretrained.load_encoder("imagebind", path).to(device)
    pooling = train_mlbp(
        encoder, manifests.music(), examples=2 if profile == "smoke" else 16, progress=progress
    )
    return RewardModel(
        "ImageBind",
        encoder,
        pooling.to(device),
        "what the text says of numbers and figures was written for MiniBind",
    )


def _found() -> Path | None:
    folder = assets.folder() / "weights"
    return next((folder / name for name in FILES if (folder / name).is_file()), None)
