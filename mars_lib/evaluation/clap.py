"""The CLAP score: how much an estimate sounds like its words to a CLAP (Wu et al., 2023) whose
weights the user has. Extra `clap`.

    hf download laion/clap-htsat-unfused --local-dir data/weights/clap

    mars benchmark --clap data/weights/clap

The paper reports it (Section 4.1) and says neither which checkpoint, nor which words, nor how long
sounds are cut; we name checkpoint and words beside every number and cut nothing that fits the
model.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import torch
import torchaudio
from torch.nn import functional

from mars_lib import check
from mars_lib.io import hf_folder

OUR_RATE = 16_000  # Hz
PROMPT = "the sound of {}"
PUBLISHED = hf_folder.Published(
    "CLAP",
    "clap",
    ("ClapModel", "ClapFeatureExtractor", "AutoTokenizer"),
    extra="clap",
    source="laion/clap-htsat-unfused",
)


class Inputs(Protocol):
    """What extractor and tokeniser make: tensors by name, as keywords for the model."""

    def keys(self) -> Iterable[str]: ...

    def __getitem__(self, name: str) -> torch.Tensor: ...

    def to(self, device: torch.device) -> Self: ...


class Extractor(Protocol):
    """`transformers.ClapFeatureExtractor`: sounds to spectrograms."""

    sampling_rate: int
    nb_max_samples: int

    def __call__(
        self, sounds: list[np.ndarray], sampling_rate: int, return_tensors: str
    ) -> Inputs: ...


class Tokenizer(Protocol):
    """The tokeniser of the model's words."""

    def __call__(self, texts: list[str], padding: bool, return_tensors: str) -> Inputs: ...


class Output(Protocol):
    """What the model returns; `pooler_output` is (B, D)."""

    pooler_output: torch.Tensor


class ClapModel(Protocol):
    """What is used of `transformers.ClapModel`."""

    def get_audio_features(self, **inputs: torch.Tensor) -> Output: ...

    def get_text_features(self, **inputs: torch.Tensor) -> Output: ...

    def parameters(self) -> Iterator[torch.nn.Parameter]: ...

    def eval(self) -> Self: ...

    def requires_grad_(self, requires_grad: bool) -> Self: ...


class Clap:
    """A frozen `transformers.ClapModel` with its feature extractor and tokeniser.

    `name` is what results call it.
    """

    def __init__(
        self, model: ClapModel, extractor: Extractor, tokenizer: Tokenizer, name: str
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.extractor, self.tokenizer, self.name = extractor, tokenizer, name

    @torch.no_grad()
    def score(self, estimate: torch.Tensor, class_names: Sequence[str]) -> torch.Tensor:
        """Cosine in [-1, 1] of each sound and its class: (B, L) at 16 kHz, B names -> (B,).

        Sounds are resampled to the model's rate; `PROMPT` makes words of names. Raises `InputError`
        for another shape, for NaN, and for a sound that the model would cut at random.
        """
        check.shape("estimate", estimate, "B L", B=len(class_names))
        check.finite("estimate", estimate)
        rate = self.extractor.sampling_rate
        waves = torchaudio.functional.resample(estimate.float().cpu(), OUR_RATE, rate)
        if waves.shape[-1] > self.extractor.nb_max_samples:
            check.fail(
                "estimate",
                f"has {waves.shape[-1] / rate:.1f} s",
                f"cut it to {self.extractor.nb_max_samples / rate:g} s",
            )
        device = next(self.model.parameters()).device
        sounds = self.extractor(list(waves.numpy()), sampling_rate=rate, return_tensors="pt").to(
            device
        )
        words = self.tokenizer(
            [PROMPT.format(name) for name in class_names], padding=True, return_tensors="pt"
        ).to(device)
        audio, text = self.model.get_audio_features(**sounds), self.model.get_text_features(**words)
        return functional.cosine_similarity(audio.pooler_output, text.pooler_output, dim=-1).cpu()


def load(folder: str | Path) -> Clap:
    """A published CLAP, frozen, on the CPU.

    `folder` holds its config.json, weights and tokeniser; raises as `mars_lib.io.hf_folder.load`.
    """
    model, extractor, tokenizer = hf_folder.load(folder, PUBLISHED)
    return Clap(model, extractor, tokenizer, Path(folder).resolve().name)
