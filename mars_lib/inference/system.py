"""What most people want: `load()` a system, then `separate()` with it."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from mars_lib import check, config, waveform
from mars_lib.data.synthesis import classes
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.inference import files, inputs, long_audio, queries
from mars_lib.inference.inputs import Numbers, Picture, Sound
from mars_lib.inference.long_audio import Segments
from mars_lib.inference.pretrained import load_encoder
from mars_lib.inference.queries import Modalities, Weights
from mars_lib.io import assets, checkpoint
from mars_lib.io.devices import choose_device
from mars_lib.separator import Separator

PRETRAINED = ("pathwise-small", "separator-small")
Samples = TypeVar("Samples", torch.Tensor, np.ndarray)


def available() -> list[str]:
    """Names of the pretrained separators that `load` knows.

    >>> available()
    ['pathwise-small', 'separator-small']
    """
    return list(PRETRAINED)


def load(
    name_or_path: str | Path = PRETRAINED[0],
    device: str | torch.device = "auto",
    weights: str | Path | None = None,
) -> "System":
    """A separator with the encoder of its queries, ready to use.

    Args:
        name_or_path: one of `available()`, or the path of a separator's checkpoint. The default was
            trained with rewards, "separator-small" is the supervised separator that it began from.
        device: "cpu", "cuda", "cuda:N", "mps", or "auto": CUDA where it is, else the CPU.
        weights: those of the encoder, for a checkpoint whose encoder is not pretrained here.
    Raises: `InputError` for an unknown name, for a missing, corrupt, pickled or foreign checkpoint,
        for weights that are not given or do not fit, and for a device that is not there.
    """
    device = choose_device(str(device))
    path = path_of(name_or_path)
    saved, name = checkpoint.load(path, "separator"), f"checkpoint {path}"
    settings = config.from_dict(saved.meta["config"], name)
    separator = checkpoint.build(lambda: Separator(settings), saved.part("separator"), name)
    encoder = load_encoder(separator.config.encoder, weights)
    wanted = separator.config.separator.embedding_size
    if encoder.embedding_size != wanted:
        size = f"those of {separator.config.encoder} have {encoder.embedding_size}"
        problem = f"needs embeddings of size {wanted}, {size}"
        check.fail(name, problem, "give the weights that it was trained with")
    # The stubs of `Module.to` lack its keyword.
    separator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return System(separator.eval(), encoder, path.stem).to(device)


def path_of(name_or_path: str | Path) -> Path:
    """The path of a separator's checkpoint, by its name of `available()` or as it is given."""
    path = inputs.path("checkpoint", name_or_path)
    if str(path) in PRETRAINED:
        return assets.checkpoint(str(path))
    if path.name == str(path) and not path.suffix and not os.path.exists(path):
        remedy = f"give {' or '.join(PRETRAINED)}, or the path of a .safetensors file"
        check.fail(f"checkpoint {path}", "is no pretrained separator and no file", remedy)
    return path


class System:
    """A separator and the encoder whose queries it was trained on."""

    def __init__(self, separator: Separator, encoder: TrainableEncoder, name: str) -> None:
        self.separator, self.encoder, self.name = separator, encoder, name

    @property
    def device(self) -> torch.device:
        """Where the separator and its encoder are. What comes in may be on any other device."""
        return next(self.separator.parameters()).device

    @property
    def sample_rate(self) -> int:
        """The rate that the separator works at, in Hz. What lies above half of it is not kept."""
        return self.separator.config.signal.sample_rate

    @property
    def shortest(self) -> float:
        """Seconds of the shortest audio that can be separated: one STFT window."""
        return self.separator.config.signal.n_fft / self.sample_rate

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that the pretrained separators and MiniBind were trained on.

        Texts with other words are taken too, with a warning that names the nearest known ones.
        """
        return tuple(sound.name for sound in classes.sound_classes())

    def to(self, device: str | torch.device) -> "System":
        """This system, moved to a device as in `load`.

        Raises: `InputError` for a device that is not there.
        """
        device = choose_device(str(device))
        self.separator.to(device)
        self.encoder = self.encoder.to(device)
        return self

    def query(
        self,
        *,
        text: str | None = None,
        audio: Sound | None = None,
        image: Picture | None = None,
        weights: Weights | None = None,
        negative_text: str | None = None,
        negative_audio: Sound | None = None,
        negative_image: Picture | None = None,
        negative_strength: float = 0.5,
    ) -> torch.Tensor:
        """One query (D,): Query-Mixup (Eq. 1) of what is given, minus the negative query.

        Args:
            text: what to keep, as "violin".
            audio: a recording of such a sound: a path, or ((L,) or (C, L) samples, rate in Hz).
            image: a picture of its source: a path, or (3, 224, 224) in [0, 1].
            weights: of "text", "audio" and "image", in [0, 1]; 1 for those that it does not name.
            negative_text, negative_audio, negative_image: what to push away.
            negative_strength: alpha of the negative query, 0 to 10.
        Raises: `InputError` when no modality is given, and for what is no text, sound or picture.
        """
        wanted = {"text": text, "audio": audio, "image": image}
        negative = {"text": negative_text, "audio": negative_audio, "image": negative_image}
        return self._query(wanted, weights, negative, negative_strength)

    def _query(
        self, wanted: Modalities, weights: Weights | None, negative: Modalities, strength: float
    ) -> torch.Tensor:
        signal = self.separator.config.signal
        return queries.embed(self.encoder, signal, self.device, wanted, weights, negative, strength)

    def separate(
        self,
        waveform: Samples,
        rate: float,
        *,
        text: str | None = None,
        audio: Sound | None = None,
        image: Picture | None = None,
        weights: Weights | None = None,
        negative_text: str | None = None,
        negative_audio: Sound | None = None,
        negative_image: Picture | None = None,
        negative_strength: float = 0.5,
        batch_size: int = 2,
        overlap: float = 0.5,
        precision: str = "32-true",
    ) -> Samples:
        """The queried source of a mixture, with its shape, rate, type and device.

        Works on copies at `sample_rate`: what lies above half of it is not in the estimate. Silence
        gives silence, with a warning.

        Args:
            waveform: (L,), (C, L) or (B, C, L) floating-point samples in [-1, 1], an array or a
                tensor. Every channel is separated on its own, with the same query.
            rate: theirs in Hz, 1 kHz to 1 MHz.
            text, audio, image, weights, negative_text, negative_audio, negative_image,
                negative_strength: the query, as in `query`.
            batch_size, overlap, precision: as in `mars_lib.inference.long_audio.Segments`.
        Returns: the estimate, an array for an array and a tensor for a tensor.
        Raises: `InputError` for whole numbers, for NaN, for another rate, for less than one STFT
            window, and as `query` does.
        """
        segments = Segments(batch_size, overlap, precision)
        inputs.samples(waveform, rate, "mixture", self.shortest)
        wanted = {"text": text, "audio": audio, "image": image}
        negative = {"text": negative_text, "audio": negative_audio, "image": negative_image}
        query = self._query(wanted, weights, negative, negative_strength)
        return self._separate(waveform, rate, query[None], segments)[0]

    def separate_queries(
        self,
        waveform: Samples,
        rate: float,
        queries: Numbers,
        *,
        batch_size: int = 2,
        overlap: float = 0.5,
        precision: str = "32-true",
    ) -> Samples:
        """Several sources at once, for one U-Net pass.

        Args:
            waveform, rate: as in `separate`, and so are `batch_size`, `overlap` and `precision`.
            queries: (N, D), made with `query`.
        Returns: N estimates, (N, L), (N, C, L) or (N, B, C, L), each as from `separate`.
        Raises: `InputError` as `separate` does, and for queries of another shape or with NaN.
        """
        return self._separate(waveform, rate, queries, Segments(batch_size, overlap, precision))

    def _separate(
        self, waveform: Samples, rate: float, queries: Numbers, segments: Segments
    ) -> Samples:
        samples = inputs.samples(waveform, rate, "mixture", self.shortest)
        embeddings = inputs.numbers("queries", queries).to(self.device)
        check.shape("queries", embeddings, "N D", D=self.separator.config.separator.embedding_size)
        check.finite("queries", embeddings, "make them with `System.query`")
        if not len(embeddings):
            check.fail("queries", "are none", "give one or more")
        if not samples.any():
            warnings.warn("the mixture is silent, and so are the estimates", stacklevel=3)
        estimate = self._estimates(samples, rate, embeddings, segments)
        shaped = estimate.reshape(len(embeddings), *waveform.shape)
        if isinstance(waveform, np.ndarray):
            return shaped.numpy().astype(waveform.dtype.newbyteorder("="))
        return shaped.to(waveform.device, waveform.dtype)

    def _estimates(
        self, samples: torch.Tensor, rate: float, queries: torch.Tensor, segments: Segments
    ) -> torch.Tensor:
        """(C, L) samples at `rate` and (N, D) queries -> (N * C, L) float32 on the CPU."""
        mixture = waveform.resample(samples, rate, self.sample_rate)
        estimates = long_audio.separate_long(self.separator, mixture, queries, segments).cpu()
        flat = waveform.resample(estimates.flatten(0, 1), self.sample_rate, rate)
        fitted = nn.functional.pad(flat, (0, max(0, samples.shape[-1] - flat.shape[-1])))
        return fitted[:, : samples.shape[-1]]

    def separate_file(
        self,
        source: str | Path,
        out: str | Path,
        *,
        text: str | Sequence[str] | None = None,
        audio: Sound | None = None,
        image: Picture | None = None,
        weights: Weights | None = None,
        negative_text: str | None = None,
        negative_audio: Sound | None = None,
        negative_image: Picture | None = None,
        negative_strength: float = 0.5,
        batch_size: int = 2,
        overlap: float = 0.5,
        precision: str = "32-true",
        progress: bool = True,
    ) -> list[Path]:
        """Separate a file of any length, rate and channels into one that is like it.

        Args:
            source: the path of a sound file.
            out: the path of the estimate, 16-bit; its suffix gives the format. With several texts
                each has a file of its own, with the text in its name: out-violin.wav.
            text: what to keep; several texts give several estimates for one U-Net pass.
            audio, image, weights, negative_text, negative_audio, negative_image,
                negative_strength: as in `query`, for every text alike.
            batch_size, overlap, precision: as in `separate`.
            progress: whether to show a bar.
        Returns: the paths of the files that were written.
        Raises: `InputError` as `separate` does, for files that cannot be read or written, and
            where one is input and output at once.
        """
        segments = Segments(batch_size, overlap, precision)
        texts = inputs.texts(text)
        targets = files.target_names(inputs.path("output", out), texts)
        given = (audio, image, negative_audio, negative_image)
        files.check_targets(inputs.path("source", source), targets, given)
        negative = {"text": negative_text, "audio": negative_audio, "image": negative_image}
        asked: list[str | None] = [*texts] or [None]
        rows = [
            self._query(
                {"text": each, "audio": audio, "image": image},
                weights,
                negative,
                negative_strength,
            )
            for each in asked
        ]
        files.separate_file(self.separator, source, targets, torch.stack(rows), progress, segments)
        return targets
