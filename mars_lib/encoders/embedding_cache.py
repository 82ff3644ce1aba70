"""Embeddings of query and reference files, kept on disk: found again by what is in the file and who embedded it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from mars_lib import waveform
from mars_lib.check import InputError
from mars_lib.data.pictures import load_picture
from mars_lib.encoders import LONGEST
from mars_lib.encoders.weights import fingerprint
from mars_lib.training import checkpoint

RATE = 16_000
# Part of every key: raise it when files are read in another way.
READING = 2


class EmbeddingCache:
    """An encoder over files and words, each of which it embeds once.

    A key is made of the file's bytes (or the words), the modality and the encoder's weights: a file that changes and other
    weights never find a stale embedding, and a file that moves finds its own. Each embedding is one small safetensors file under
    `folder`; a damaged one is made again. The weights are read when the cache is made, so make another one after
    training the encoder.
    """

    def __init__(self, encoder: nn.Module, folder: str | Path):
        self.encoder, self.folder = encoder, Path(folder)
        self.weights = fingerprint(encoder)

    def audio(self, paths: Sequence[str | Path]) -> torch.Tensor:
        """Sound files of any rate, channels averaged -> (B, D) on the CPU, unit norm. Raises `InputError` for one that is no sound."""
        return self._embed("audio", paths, _content, self._hear)

    def image(self, paths: Sequence[str | Path]) -> torch.Tensor:
        """Picture files -> (B, D) on the CPU, unit norm. Raises `InputError` for one that is no picture."""
        return self._embed("image", paths, _content, self._see)

    def text(self, texts: Sequence[str]) -> torch.Tensor:
        """B strings -> (B, D) on the CPU, unit norm."""
        return self._embed("text", texts, str.encode, lambda text: self.encoder.embed_text([text]))

    def _hear(self, path: str | Path) -> torch.Tensor:
        samples, rate = waveform.load(path, LONGEST)
        mono = waveform.resample(waveform.mono(samples)[None], rate, RATE)
        return self.encoder.embed_audio(mono.to(self._device))

    def _see(self, path: str | Path) -> torch.Tensor:
        return self.encoder.embed_image(load_picture(path)[None].to(self._device))

    @property
    def _device(self) -> torch.device:
        return next(self.encoder.parameters()).device

    @torch.no_grad()
    def _embed(self, modality: str, items: Sequence, content: Callable, embed: Callable) -> torch.Tensor:
        rows = []
        for item in items:
            said = json.dumps([READING, modality, self.weights, hashlib.sha256(content(item)).hexdigest()])
            key = hashlib.sha256(said.encode()).hexdigest()
            path = self.folder / key[:2] / f"{key}.safetensors"
            row = _read(path)
            if row is None:
                row = embed(item)[0].cpu()
                checkpoint.save(path, {"embedding": row}, {"kind": "embedding"})
            rows.append(row)
        return torch.stack(rows) if rows else torch.zeros(0, self.encoder.embedding_size)


def _read(path: Path) -> torch.Tensor | None:
    if not path.is_file():
        return None
    try:
        return checkpoint.load(path, "embedding").tensors["embedding"]
    except InputError:
        return None  # damaged


def _content(path: str | Path) -> bytes:
    path = Path(path)
    # One that is not there is named by whoever reads it.
    return path.read_bytes() if path.is_file() else b""
