"""The reward encoder of notebooks 04 to 06: ImageBind where its weights are, else one of ours.

ImageBind is looked for in the profile "gpu" alone.
"""

from dataclasses import dataclass
from pathlib import Path

from mars_lib.data import manifests
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.inference import pretrained
from mars_lib.io import assets
from mars_lib.reward import MLBP
from mars_lib.training.mlbp import train_mlbp

# Where `mars data fetch-imagebind data/weights` puts them, and what stays of them after they were
# read once.
FILES = ("imagebind_huge.safetensors", "imagebind_huge.pth")


@dataclass(frozen=True)
class RewardModel:
    """The networks that give rewards in a notebook.

    Attributes:
        name: of the encoder, "MiniBind", "MiniBind2" or "ImageBind".
        encoder: embeds estimates and targets.
        pooling: the fusion of modalities that fits the encoder (Eq. 10-12).
        note: why this encoder, or what it means for the reader.
    """

    name: str
    encoder: TrainableEncoder
    pooling: MLBP
    note: str

    def __str__(self) -> str:
        return f"reward encoder: {self.name} ({self.note})"


def load(
    profile: str,
    weights: str | Path = "",
    device: str = "cpu",
    progress: bool = True,
    ours: str = "MiniBind",
) -> RewardModel:
    """Choose the reward encoder and load it, with its fusion. Downloads nothing.

    It is ImageBind from `weights`, or in the profile "gpu" from `data/weights` where it lies there;
    else the pretrained one that is `ours`, as it embeds queries. ImageBind's fusion is trained
    here, on 16 clips and drawings of every class of mini-MUSIC, 2 in the profile "smoke"
    (`mars_lib.training.mlbp`).

    Args:
        profile: "smoke", "cpu" or "gpu".
        weights: a file of ImageBind's weights; empty for none.
        device: where the networks go.
        progress: whether to show how far the training of the fusion is.
        ours: "MiniBind" or "MiniBind2".

    Raises:
        InputError: for weights that are missing, damaged or of another model, and where the package
            `imagebind` is not installed.
    """
    path = Path(weights) if str(weights) else _found() if profile == "gpu" else None
    if path is None:
        note = "ImageBind is looked for in the gpu profile"
        if profile == "gpu":
            note = "ImageBind is not in data/weights"
        name = ours.lower()
        own = pretrained.load_encoder(name)
        fusion = pretrained.load_mlbp(heads=pretrained.QUERY_HEADS[name], encoder=name)
        return RewardModel(ours, own.to(device), fusion.to(device), note)
    encoder = pretrained.load_encoder("imagebind", path).to(device)
    examples = 2 if profile == "smoke" else 16
    pooling = train_mlbp(encoder, manifests.music(), examples=examples, progress=progress)
    note = f"what the text says of numbers and figures was written for {ours}"
    return RewardModel("ImageBind", encoder, pooling.to(device), note)


def _found() -> Path | None:
    folder = assets.folder() / "weights"
    return next((folder / name for name in FILES if (folder / name).is_file()), None)
