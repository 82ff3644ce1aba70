"""What tests of training share."""

from dataclasses import replace

import pytest
import torch

from mars_lib import config
from mars_lib.io import checkpoint
from mars_lib.reward import MLBP
from mars_lib.separator import Separator
from mars_lib.training.reinforce import train_rl
from mars_lib.training.state import separator_checkpoint
from tests.data.few import few
from tests.training.quick import QUICK


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """An untrained separator of one second and narrow maps."""
    smoke = config.smoke()
    smoke = replace(smoke, signal=replace(smoke.signal, length=8_191))
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    checkpoint.save(path, *separator_checkpoint(config.to_dict(smoke), Separator(smoke)))
    return path


@pytest.fixture(scope="module")
def pooling():
    torch.manual_seed(0)
    return MLBP(256, 16)


@pytest.fixture
def train(start, minibind, pooling, tmp_path):
    """A short run of reinforcement learning in a folder of its own."""

    def run(settings=QUICK, name="run", begin=start, music=None, fusion=pooling, **options):
        options = {"accelerator": "cpu", "progress": False, **options}
        music = music or few()
        return train_rl(begin, settings, music, minibind, fusion, tmp_path / name, **options)

    return run
