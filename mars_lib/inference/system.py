"""The two calls that most people want: `load()` and `separate()`."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from mars_lib import check, config, waveform
from mars_lib.data import pictures
from mars_lib.data.synthesis import classes
from mars_lib.encoders.base import LONGEST, Encoder
from mars_lib.inference import inputs, long_audio
from mars_lib.inference.inputs import Numbers, Picture, Sound
from mars_lib.inference.pretrained import load_encoder
from mars_lib.io import assets, checkpoint
from mars_lib.io.devices import choose_device
from mars_lib.query import query_mixup, subtract
from mars_lib.separator import Separator


def load(
    path: str | Path | None = None,
    device: str | torch.device = "cpu",
    weights: str | Path | None = None,
) -> "System":
    """A separator with its encoder, ready to use; without `path` the small one that ships, which
    rewards have taught.

    `weights` are those of the encoder, for a checkpoint that was trained with one that does not
    ship. Raises `InputError` for a missing, corrupt, pickled or foreign checkpoint, for weights
    that are not given or do not fit, and for a device that is not there.
    """
    device = choose_device(str(device))
    path = (
        inputs.path("checkpoint", path) if path is not None else assets.checkpoint("mars-sep-small")
    )
    saved, name = checkpoint.load(path, "separator"), f"checkpoint {path}"
    settings = config.from_dict(saved.meta["config"], name)
    separator = checkpoint.build(lambda: Separator(settings), saved.part("separator"), name)
    encoder = load_encoder(separator.config.encoder, weights)
    wanted = separator.config.separator.embedding_size
    if encoder.embedding_size != wanted:
        check.fail(
            name,
            f"asks for embeddings of size {wanted}, those of {separator.config.encoder} have {encoder.embedding_size}",
            "give the weights that it was trained with",
        )
    separator = separator.to(device, memory_format=torch.channels_last).eval()
    return System(separator, encoder.to(device), path.stem)


class System:
    """A separator and the encoder whose queries it was trained on."""

    def __init__(self, separator: Separator, encoder: Encoder, name: str):
        self.separator, self.encoder, self.name = separator, encoder, name

    @property
    def rate(self) -> int:
        """The rate that the separator works at, in Hz. What lies above half of it is not kept."""
        return self.separator.config.signal.sample_rate

    @property
    def shortest(self) -> float:
        """Seconds of the shortest audio that can be separated: one STFT window."""
        return self.separator.config.signal.n_fft / self.rate

    @torch.no_grad()
    def query(
        self,
        *,
        text: str | None = None,
        audio: Sound | None = None,
        image: Picture | None = None,
        weights: Mapping[str, float] | None = None,
        negative_text: str | None = None,
        negative_audio: Sound | None = None,
        negative_image: Picture | None = None,
        negative_strength: float = 0.5,
    ) -> torch.Tensor:
        """One query (D,) from what is given: Query-Mixup (Eq. 1) of the modalities, minus the
        negative one.

        `weights` gives "text", "audio", "image" weights in [0, 1], 1 where it is silent. An unknown
        word is used all the same, with a warning that names the nearest known ones. Raises
        `InputError` when no modality is given, and for what is no text, sound or picture.
        """
        given = {"text": text, "audio": audio, "image": image}
        query = self._mixup(given, {} if weights is None else weights, "query")
        negative = {"text": negative_text, "audio": negative_audio, "image": negative_image}
        if any(value is not None for value in negative.values()):
            query = subtract(query, self._mixup(negative, {}, "negative query"), negative_strength)
        return query

    def _mixup(self, given: dict, weights: Mapping[str, float], name: str) -> torch.Tensor:
        if not isinstance(weights, Mapping):
            problem = f"are a {type(weights).__name__}"
            check.fail(
                "query weights", problem, 'give a dictionary, as {"text": 1.0, "image": 0.5}'
            )
        unknown = weights.keys() - given.keys()
        if unknown:
            named = ", ".join(map(str, unknown))
            check.fail("query weights", f"name {named}", "use text, audio, image")
        for key, weight in weights.items():
            check.between(f"query weights: that of {key}", weight, 0.0, 1.0)
        used = {
            key: inputs.of_query(key, value) for key, value in given.items() if value is not None
        }
        if not used:
            check.fail(name, "is empty", "give text, audio or image")
        embeddings = torch.cat([self._embed(key, value) for key, value in used.items()])
        numbers = torch.tensor([float(weights.get(key, 1.0)) for key in used])
        return query_mixup(embeddings, numbers.to(embeddings.device))

    def _embed(self, modality: str, value) -> torch.Tensor:
        if modality == "text":
            classes.warn_of_unknown(value, stacklevel=4)
            return self.encoder.embed_text([value])
        device = next(self.separator.parameters()).device
        if modality == "image":
            loaded = value if torch.is_tensor(value) else pictures.load_picture(value)
            return self.encoder.embed_image(loaded[None].to(device))
        samples, rate = value if isinstance(value, tuple) else waveform.load(value, LONGEST)
        longest = int(LONGEST * rate)
        if samples.shape[-1] > longest:
            warnings.warn(f"audio query: only its first {LONGEST:g} s are used", stacklevel=4)
        samples = torch.atleast_2d(samples)[..., :longest].cpu().float()
        inputs.check_samples(samples, rate, "audio query", self.shortest)
        if not samples.any():
            check.fail("audio query", "is silent", "give a recording of the wanted sound")
        mono = waveform.resample(waveform.mono(samples)[None], rate, self.rate)
        return self.encoder.embed_audio(mono.to(device))

    def separate(self, mixture: Numbers, rate: float, **query) -> Numbers:
        """The queried source: (L,) or (C, L) floating-point samples at any rate -> the same shape,
        the same rate.

        Keywords as in `query`, e.g. `text="violin"`. Works on copies at 16 kHz: above 8 kHz the
        estimate is empty. Silence gives silence, with a warning. The estimate is float32 on the
        CPU: an array for an array, else a tensor. Raises `InputError` for whole numbers, for NaN,
        for a rate outside 1 kHz to 1 MHz and for less than one STFT window.
        """
        inputs.samples(mixture, rate, "mixture", self.shortest)
        return self.separate_queries(mixture, rate, self.query(**query)[None])[0]

    def separate_queries(self, mixture: Numbers, rate: float, queries: Numbers) -> Numbers:
        """Several sources at once: (N, D) queries -> (N, ...) estimates as from `separate`, for one
        U-Net pass.
        """
        samples = inputs.samples(mixture, rate, "mixture", self.shortest)
        queries = inputs.numbers("queries", queries).to(next(self.separator.parameters()).device)
        check.shape("queries", queries, "N D", D=self.separator.config.separator.embedding_size)
        check.finite("queries", queries, "make them with `System.query`")
        if not len(queries):
            check.fail("queries", "are none", "give one or more")
        if not samples.any():
            warnings.warn("the mixture is silent, and so are the estimates", stacklevel=2)
        estimates = long_audio.separate_long(
            self.separator, waveform.resample(samples, rate, self.rate), queries
        ).cpu()
        flat = waveform.resample(estimates.flatten(0, 1), self.rate, rate)
        fitted = torch.nn.functional.pad(flat, (0, max(0, samples.shape[-1] - flat.shape[-1])))
        estimate = fitted[:, : samples.shape[-1]].reshape(len(queries), *mixture.shape)
        return estimate.numpy() if isinstance(mixture, np.ndarray) else estimate
