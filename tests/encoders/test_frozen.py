import copy

import pytest
import torch
from torch import nn

from mars_lib.encoders.frozen import frozen
from mars_lib.encoders.minibind import MiniBind
from mars_lib.encoders.minibind2 import MiniBind2
from tests.alignment.conftest import Toy


@pytest.mark.parametrize("kind", [MiniBind, MiniBind2])
def test_a_frozen_encoder_hears_the_same_without_batch_norms(kind, generator):
    torch.manual_seed(0)
    encoder = kind()
    waves = torch.randn(3, 16_000, generator=generator)
    with torch.no_grad():
        for _ in range(3):  # statistics of its own
            encoder.trunks["audio"](waves)
    encoder.eval()
    before = copy.deepcopy(encoder.state_dict())
    quick = frozen(encoder)
    assert not [m for m in quick.trunks["audio"].modules() if isinstance(m, nn.BatchNorm2d)]
    assert quick.trunks["image"] is encoder.trunks["image"]
    with torch.no_grad():
        ours, theirs = quick.embed_audio(waves), encoder.embed_audio(waves)
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_others_stay_as_they_are():
    toy = Toy()
    assert frozen(toy) is toy
