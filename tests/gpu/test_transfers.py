"""A step waits for its card once, to read its numbers: counted by torch's own debug mode."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from mars_lib.data.variation import Chains, vary
from tests.card.steps import LAST, WAYS, steps_apart, take_steps

pytestmark = pytest.mark.cuda


@pytest.fixture
def noted():
    """Where the host waited for the card."""
    places = []

    def note(message, category, filename, lineno, *_):
        if "synchronizing CUDA operation" in str(message):
            places.append(f"{Path(filename).name}:{lineno}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        yield places
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("way", WAYS)
def test_a_step_reads_its_numbers_and_nothing_else(
    way, noted, start, encoder, music, pooling, tmp_path, monkeypatch
):
    counts = steps_apart(monkeypatch, noted)
    take_steps(way, "bf16-mixed", "cuda", start, encoder, music, pooling, tmp_path)
    for places in counts[1:LAST]:
        # `torch.istft`, which is in this file, looks at its window by itself.
        ours = [place for place in places if not place.startswith("functional.py")]
        assert len(ours) == 1 and ours[0].startswith("optimisation.py"), places


def test_augmenting_does_not_wait(music):
    classes, chains = music.classes("train"), Chains.draw(np.random.default_rng(0), 64)
    made = [music.clip("train", classes[i % len(classes)], i) for i in range(64)]
    waves = torch.from_numpy(np.stack(made)).to("cuda")
    vary(waves, chains)  # makes what is kept
    torch.cuda.set_sync_debug_mode("error")
    try:
        vary(waves, chains)
    finally:
        torch.cuda.set_sync_debug_mode("default")
