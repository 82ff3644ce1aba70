"""A short run of reinforcement learning, and what it leaves behind."""

import csv
from pathlib import Path

import torch

from mars_lib.io import checkpoint
from mars_lib.training.rl_config import RLConfig

QUICK = RLConfig(
    steps=6,
    batch_size=4,
    validate_every=3,
    validation_mixtures=4,
    queries_per_class=2,
    precision="32-true",
    learning_rate=1e-3,
    augment=0.0,
)


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "metrics.csv").open()))


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(path, "separator").tensors


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(path, "separator").part("separator")
