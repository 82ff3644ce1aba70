"""Queries of the user, as embeddings: text, sounds and pictures, mixed and pushed apart."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch

from mars_lib import check, waveform
from mars_lib.config import SignalConfig
from mars_lib.data import pictures
from mars_lib.data.synthesis import classes
from mars_lib.encoders.base import LONGEST, Encoder
from mars_lib.inference import drawn_queries, inputs, known_words
from mars_lib.inference.inputs import Given
from mars_lib.query import query_mixup, subtract

# Of "text", "audio" and "image", in [0, 1].
Weights = Mapping[str, float]
# What was given for each modality; None where nothing was.
Modalities = Mapping[str, object]

# Frames from `_embed` to the line that called a method of `System`: where a warning points.
CALLER = 7


@torch.no_grad()
def embed(
    encoder: Encoder,
    signal: SignalConfig,
    device: torch.device,
    wanted: Modalities,
    weights: Weights | None,
    negative: Modalities,
    strength: float,
) -> torch.Tensor:
    """One query (D,): Query-Mixup (Eq. 1) of what is wanted, minus the negative query, if any.

    `System.query` documents the arguments. `signal` is the separator's; `device` is where the
    encoder is.
    """

    def mixup(given: Modalities, weights: Weights, name: str) -> torch.Tensor:
        used = {
            key: inputs.of_query(key, value) for key, value in given.items() if value is not None
        }
        if not used:
            check.fail(name, "is empty", "give text, audio or image")
        rows = []
        # A loop, because a comprehension is a frame of its own in some versions of Python.
        for key, value in used.items():
            rows.append(_embed(encoder, signal, device, key, value))
        numbers = torch.tensor([float(weights.get(key, 1.0)) for key in used])
        return query_mixup(torch.cat(rows), numbers.to(rows[0].device))

    weights = {} if weights is None else weights
    _check_weights(weights, wanted)
    check.between("negative-query strength", strength, 0.0, 10.0)
    query = mixup(wanted, weights, "query")
    if any(value is not None for value in negative.values()):
        query = subtract(query, mixup(negative, {}, "negative query"), strength)
    return query


def _check_weights(weights: Weights, given: Modalities) -> None:
    if not isinstance(weights, Mapping):
        problem = f"are a {type(weights).__name__}"
        check.fail("query weights", problem, 'give a dictionary, as {"text": 1.0, "image": 0.5}')
    unknown = weights.keys() - given.keys()
    if unknown:
        named = ", ".join(map(str, unknown))
        check.fail("query weights", f"name {named}", "use text, audio, image")
    for key, weight in weights.items():
        check.between(f"query weights: that of {key}", weight, 0.0, 1.0)


def _embed(
    encoder: Encoder, signal: SignalConfig, device: torch.device, modality: str, value: Given
) -> torch.Tensor:
    """(1, D) of what was given for a modality: text, samples, a picture, or a file of them."""
    if isinstance(value, str):
        if known_words.open_vocabulary(encoder):
            known_words.warn_of_unfamiliar(encoder, value, stacklevel=CALLER)
        else:
            classes.warn_of_unknown(value, stacklevel=CALLER)
        return drawn_queries.embed_words(encoder, [value])
    if isinstance(value, Path):
        image = modality == "image"
        value = pictures.load_picture(value) if image else waveform.load(value, LONGEST)
    if isinstance(value, torch.Tensor):
        return drawn_queries.embed_pictures(encoder, value[None].to(device))
    samples, rate = value
    longest = int(LONGEST * rate)
    if samples.shape[-1] > longest:
        warnings.warn(f"audio query: only its first {LONGEST:g} s are used", stacklevel=CALLER)
    samples = samples[..., :longest]
    inputs.check_samples(samples, rate, "audio query", signal.n_fft / signal.sample_rate)
    if not samples.any():
        check.fail("audio query", "is silent", "give a recording of the wanted sound")
    mono = waveform.resample(waveform.mono(samples)[None], rate, signal.sample_rate)
    return encoder.embed_audio(mono.to(device))
