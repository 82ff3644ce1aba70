"""Fixtures that several tests share."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mars_lib import config
from mars_lib.data import manifests
from mars_lib.inference import system

torch.set_num_threads(2)  # the suite must behave on a small machine
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shipped():
    """The pretrained system."""
    return system.load()


@pytest.fixture(scope="session")
def example():
    """A mixture and its references: trumpet and harp."""
    return manifests.example("trumpet", "harp", clip=6)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def signal():
    return config.small().signal


@pytest.fixture
def sound_file(tmp_path):
    """Writes noise of any shape and rate to a file, returns its path."""

    def write(name="mix.wav", seconds=1.0, rate=16_000, channels=1, samples=None):
        rng = np.random.default_rng(0)
        if samples is None:
            samples = 0.1 * rng.standard_normal((int(seconds * rate), channels))
        path = tmp_path / name
        soundfile.write(path, samples, rate, subtype="FLOAT" if name.endswith("wav") else None)
        return path

    return write
