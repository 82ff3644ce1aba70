"""Small systems without training, for the benchmark's tests."""

import torch

from mars_lib import config
from mars_lib.experiments import compared_systems
from mars_lib.experiments.comparison import SYSTEMS
from mars_lib.io import checkpoint
from mars_lib.training.state import separator_checkpoint


def save(folder, method, name, settings):
    torch.manual_seed(0)
    network = method.build(settings)
    tensors, meta = separator_checkpoint(config.to_dict(settings), network, method.kind)
    checkpoint.save(folder / f"{name}.safetensors", tensors, meta)
    return network.eval()


def four(folder):
    return [each for each in compared_systems.load(folder) if each.system in SYSTEMS]
