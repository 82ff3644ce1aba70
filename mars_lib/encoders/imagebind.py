"""ImageBind (Girdhar et al., 2023), the paper's encoder: sound, words and pictures in one space.

It needs the extra `imagebind`. Code and weights are Meta's, under CC-BY-NC 4.0: not for commercial
use; none of them comes with this package (for those who may not use it there is
`mars_lib.encoders.pe_av`). The weights are fetched when asked for, 4.8 GB:

    path = published_weights.download(imagebind.PUBLISHED, "data/weights")
    encoder = imagebind.load(path)
"""

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import cast

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from mars_lib import check
from mars_lib.encoders.base import check_words
from mars_lib.encoders.imagebind_fbank import FilterBank, normalise_pictures
from mars_lib.encoders.projection import VideoProjectionEncoder
from mars_lib.io import checkpoint, published_weights

PUBLISHED = published_weights.PublishedFile(
    kind="imagebind",
    url="https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth",
    size=4_803_584_173,
    sha256="d6f6c22bedcc90708448d5d2fbb7b2db9c73f505dc89bd0b2e09b23af1b62157",
    licence="CC-BY-NC 4.0: not for commercial use",
)
# Our modalities, and ImageBind's names for them.
KEYS = {"audio": "audio", "text": "text", "image": "vision"}
PARTS = ("modality_preprocessors", "modality_trunks", "modality_heads", "modality_postprocessors")
# imagebind_huge, as in imagebind.models.imagebind_model; the rest are its class's defaults.
HUGE = {
    "vision_embed_dim": 1280,
    "vision_num_blocks": 32,
    "vision_num_heads": 16,
    "text_embed_dim": 1024,
    "text_num_blocks": 24,
    "text_num_heads": 16,
    "out_embed_dim": 1024,
}
PRECISIONS = (torch.float32, torch.float16, torch.bfloat16)
INSTALL = (
    "pip install 'mars-lib[imagebind]', then pip install --no-deps imagebind-unofficial==0.1.1"
)


def load(path: str | Path, dtype: torch.dtype = torch.float32) -> "ImageBind":
    """Load the published imagebind_huge, frozen, on the CPU. Downloads nothing.

    Args:
        path: imagebind_huge.pth, or the .safetensors that the first call makes beside it.
        dtype: float32, which takes 4.3 GB, or float16 or bfloat16, which take half of it.

    Raises:
        InputError: for weights that are missing, truncated, damaged or of another model, and where
            the package `imagebind` is not installed.
    """
    model, tensors = skeleton(), published_weights.load(path, PUBLISHED)
    # Of six modalities we use three.
    wanted = {name: tensors[name] for name in model.state_dict() if name in tensors}
    checkpoint.restore(model.to_empty(device="cpu"), wanted, f"weights {path}")
    return ImageBind(model, dtype).eval().requires_grad_(False)


def skeleton() -> nn.Module:
    """Build imagebind_huge on the meta device: shapes and no numbers.

    It is of ImageBind's own classes, with the modalities that we use. Random numbers for a model
    that is filled right after would take minutes.
    """
    model_class, _ = _imagebind()
    with torch.device("meta"), _ShapesOnly():
        model = model_class(**HUGE)
    _keep_used(model)
    return model


class ImageBind(VideoProjectionEncoder):
    """The encoder around an `ImageBindModel`.

    ImageBind's last linear layers are the heads that alignment trains, always in float32; all
    before them are the trunks, in `dtype`. Its outputs are scaled (sound by 20, words by a learned
    14.3), which unit norm takes off again; the shared temperature of Eq. 7 starts at 0.07, the
    inverse of that 14.3. A sound is embedded in three clips and a video in frames: trunk features
    of such parts stand side by side in one row, and an embedding is the mean over the parts'
    embeddings, as there. Case of a text does not matter, and a long one is cut after 75 tokens.

    Args:
        model: with the modalities audio, text and vision.
        dtype: of the trunks.

    Raises:
        InputError: for a `dtype` that is no float32, float16 or bfloat16.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        if dtype not in PRECISIONS:
            check.fail(
                "precision", f"is {dtype}", "give torch.float32, torch.float16 or torch.bfloat16"
            )
        # Text picks its place in the sequence by itself, so its layers are one level deeper.
        inner = {"audio": "", "text": ".proj", "image": ""}
        towers, heads = {}, {}
        for name, key in KEYS.items():
            layers = model.get_submodule(f"modality_heads.{key}{inner[name]}")
            norm, *_, head = layers.children()
            towers[name] = _Tower(model, key, cast(nn.LayerNorm, norm)).to(dtype)
            heads[name] = cast(nn.Linear, head).float()
        trunks: dict[str, nn.Module] = {
            "audio": AudioTrunk(towers["audio"]),
            "text": TextTrunk(towers["text"]),
            "image": ImageTrunk(towers["image"]),
        }
        super().__init__(trunks, heads)

    def embed_features(self, modality: str, features: torch.Tensor) -> torch.Tensor:
        """Project trunk features through a modality's head, and average over the parts.

        Args:
            modality: "audio", "text" or "image".
            features: (B, parts * width), the parts side by side.

        Returns:
            (B, D) of unit norm.
        """
        head = cast(nn.Linear, self.heads[modality])
        parts = features.to(head.weight.dtype).unflatten(-1, (-1, head.in_features))
        return functional.normalize(functional.normalize(head(parts), dim=-1).mean(dim=-2), dim=-1)


class _Tower(nn.Module):
    """One modality of an `ImageBindModel` up to its last linear layer: (B, ...) -> (B, width)."""

    def __init__(self, model: nn.Module, key: str, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.key = key
        self.stem = model.get_submodule(f"modality_preprocessors.{key}")
        self.blocks = model.get_submodule(f"modality_trunks.{key}")
        self.norm = norm

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        prepared = self.stem(**{self.key: inputs})
        tokens = self.blocks(**prepared["trunk"])
        # Text is read off its last token, the others off their first.
        first = torch.zeros(len(tokens), dtype=torch.long, device=tokens.device)
        place = prepared["head"].get("seq_len", first)
        return self.norm(tokens[torch.arange(len(tokens), device=tokens.device), place])

    @property
    def dtype(self) -> torch.dtype:
        return self.norm.weight.dtype


class AudioTrunk(nn.Module):
    """Sounds (B, L) at 16 kHz -> (B, 3 width): features of three clips, side by side."""

    def __init__(self, tower: _Tower) -> None:
        super().__init__()
        self.bank, self.tower = FilterBank(), tower

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        clips = self.bank(waveform)
        return self.tower(clips.flatten(0, 1).to(self.tower.dtype)).reshape(len(clips), -1)


class TextTrunk(nn.Module):
    """B texts -> (B, width), by ImageBind's own tokens."""

    def __init__(self, tower: _Tower) -> None:
        super().__init__()
        self.tower = tower
        _, self.tokens = _imagebind()

    def forward(self, texts: Sequence[str]) -> torch.Tensor:
        check_words(texts)
        tokens = torch.stack([self.tokens(text) for text in texts])
        return self.tower(tokens.to(self.tower.norm.weight.device))


class ImageTrunk(nn.Module):
    """Pictures (B, 3, 224, 224) -> (B, width); videos (B, T, 3, 224, 224) -> (B, T width)."""

    def __init__(self, tower: _Tower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        frames = normalise_pictures(images).reshape(-1, *images.shape[-3:])
        return self.tower(frames.to(self.tower.dtype)).reshape(len(images), -1)


def _keep_used(model: nn.Module) -> None:
    for part in PARTS:
        modules = cast(nn.ModuleDict, model.get_submodule(part))
        for key in [key for key in modules if key not in KEYS.values()]:
            del modules[key]


class _ShapesOnly(TorchFunctionMode):
    """Beside the meta device: `torch.linspace` has numbers.

    A block's rate of dropped paths is read out of such a tensor, so that one must hold it.
    """

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: Iterable[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        placed = {"device": "cpu"} if function is torch.linspace else {}
        return function(*args, **{**(kwargs or {}), **placed})


@cache
def _imagebind() -> tuple[Callable[..., nn.Module], Callable[[str], torch.Tensor]]:
    """Import ImageBind's model class, and make its tokeniser.

    Raises:
        InputError: where the package is not there or not whole.
    """
    spec = importlib.util.find_spec("imagebind")
    if spec is None:
        check.fail("package imagebind", "is not installed", INSTALL)
    locations = list(spec.submodule_search_locations or [])
    folder = Path(*locations[:1])
    if not (folder / "models").is_dir():
        check.fail(
            "package imagebind",
            "is PyPI's empty placeholder",
            f"pip uninstall imagebind, then {INSTALL}",
        )
    words = folder / "bpe" / "bpe_simple_vocab_16e6.txt.gz"
    if not words.is_file():
        remedy = (
            "put bpe/bpe_simple_vocab_16e6.txt.gz of Meta's repository there, "
            "or take imagebind-unofficial"
        )
        check.fail(str(words), "is missing from the package imagebind", remedy)
    try:
        with _models_alone(locations):
            from imagebind.models.imagebind_model import ImageBindModel
            from imagebind.models.multimodal_preprocessors import SimpleTokenizer
    except ModuleNotFoundError as error:
        check.fail("package imagebind", f"needs {error.name}, which is not installed", INSTALL)
    return ImageBindModel, SimpleTokenizer(bpe_path=str(words))


@contextmanager
def _models_alone(locations: list[str]) -> Iterator[None]:
    """Import `imagebind.models` without `imagebind/__init__.py`.

    That one imports its file loaders, and with them pytorchvideo (whose release asks for a module
    that torchvision no longer has), decord (no wheels for Macs with Apple's chips) and
    pkg_resources. We read files ourselves. The stand-in is taken away again: a later `import
    imagebind` finds the real package, with these same model classes.
    """
    if "imagebind" in sys.modules:
        yield
        return
    stand_in = ModuleType("imagebind")
    stand_in.__path__ = locations
    sys.modules["imagebind"] = stand_in
    try:
        yield
    finally:
        del sys.modules["imagebind"]
