"""Fixtures that several tests share.

Two threads at most: the suite must behave on a small machine. Beside other processes of
pytest-xdist, one.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mars_lib import config
from mars_lib.data import manifests
from mars_lib.inference import system
from mars_lib.inference.pretrained import load_minibind

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
    # Of the processes that tests start: notebooks' kernels, torchrun, the command.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
else:
    torch.set_num_threads(2)
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shipped():
    """The pretrained system."""
    return system.load(device="cpu")


@pytest.fixture(scope="session")
def minibind():
    """The first encoder, which is the quicker one."""
    return load_minibind()


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
