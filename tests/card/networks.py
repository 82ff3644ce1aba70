"""Small networks and short trainings for the tests of devices."""

import signal
from dataclasses import replace

import pytest
import torch
from torch import nn

from mars_lib import config
from mars_lib.config import PolicyConfig
from mars_lib.encoders.projection import ProjectionEncoder
from mars_lib.evaluation.judge import Judge
from mars_lib.io import checkpoint
from mars_lib.reward import MLBP
from mars_lib.separator import Separator
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.state import separator_checkpoint
from tests.data.few import few

SHORT = replace(config.smoke(), signal=replace(config.smoke().signal, length=8_191))
SUPERVISED = replace(
    SHORT,
    training=replace(
        SHORT.training,
        batch_size=2,
        steps=2,
        validate_every=2,
        validation_mixtures=2,
        queries_per_class=1,
    ),
)
RL = RLConfig(
    policy=PolicyConfig(group_size=2, lag=2),
    steps=2,
    batch_size=2,
    validate_every=2,
    validation_mixtures=2,
    queries_per_class=1,
    precision="32-true",
    anchor=0.1,
    augment=0.0,
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """An untrained separator of half a second and narrow maps."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    checkpoint.save(path, *separator_checkpoint(config.to_dict(SHORT), Separator(SHORT)))
    return path


class Trunk(nn.Module):
    """The first numbers of anything, through a linear layer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 16)

    def forward(self, examples):
        if not torch.is_tensor(examples):
            texts = [text.encode().ljust(32) for text in examples]
            examples = (
                torch.tensor([list(text[:32]) for text in texts], device=self.linear.weight.device)
                / 128
            )
        return self.linear(examples.flatten(1)[:, -32:].float()).tanh()


def small():
    """An encoder with embeddings of the usual size, which takes no time; on the CPU, frozen."""
    torch.manual_seed(0)
    names = ("audio", "text", "image")
    trunks = {name: Trunk() for name in names}
    made = ProjectionEncoder(trunks, {name: nn.Linear(16, 256) for name in names})
    return made.eval().requires_grad_(False)


@pytest.fixture
def encoder():
    """On the CPU; training may move it."""
    return small()


@pytest.fixture(scope="module")
def music():
    return few()


@pytest.fixture(scope="module")
def pooling():
    torch.manual_seed(0)
    return MLBP(256, 16)


def place(device) -> torch.device:
    """A device as its tensors name it: with a number."""
    return torch.zeros(0, device=device).device


def ctrl_c(*_):
    """What Ctrl-C does in the middle of a step, which ends all the same."""
    signal.raise_signal(signal.SIGINT)


def judge_of(music):
    return Judge([sound.name for sound in music.classes("validation")], width=16).eval()
