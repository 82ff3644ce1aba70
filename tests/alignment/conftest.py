import pytest
import torch
from torch import nn
from torch.nn import functional

from mars_lib.alignment.features import MODALITIES, TrunkFeatures, trunk_digest

WIDTH = 12


class Toy(nn.Module):
    """An encoder whose trunks are nothing but themselves: features go in where sounds would."""

    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.trunks = nn.ModuleDict({m: nn.Linear(WIDTH, WIDTH) for m in MODALITIES})
            self.heads = nn.ModuleDict({m: nn.Linear(WIDTH, 8, bias=False) for m in MODALITIES})
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())
        self.requires_grad_(False)

    def embed_features(self, modality, features):
        return functional.normalize(self.heads[modality](features), dim=-1)


@pytest.fixture
def toy():
    return Toy()


def features_of(encoder, seed=0, classes=6, clips=5, variants=2, images=4):
    """Classes are directions, another set in each modality; items scatter around them."""
    fixed = torch.Generator().manual_seed(99)
    centres = {m: torch.randn(classes, WIDTH, generator=fixed) for m in MODALITIES}
    rng = torch.Generator().manual_seed(seed)

    def around(modality, label, *shape):
        return centres[modality][label] + 0.3 * torch.randn(*shape, WIDTH, generator=rng)

    return TrunkFeatures(
        tuple(f"class {i}" for i in range(classes)),
        [around("audio", i, clips, variants) for i in range(classes)],
        [around("text", i, 3) for i in range(classes)],
        [around("image", i, images) for i in range(classes)],
        f"{trunk_digest(encoder)}-made-by-hand",
    )


@pytest.fixture
def train(toy):
    return features_of(toy)


@pytest.fixture
def validation(toy):
    return features_of(toy, seed=1)
