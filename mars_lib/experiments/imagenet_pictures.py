"""Photographs that nobody has to have: what the picture trunk itself expects of ImageNet's classes.

Its classifier has a direction of the features for every class of ImageNet. The mean of the features
that heads learn from, moved along a direction, stands for photographs of what the class shows.
"""

from dataclasses import replace

import torch
from torch.nn import functional

from mars_lib.alignment.features import TrunkFeatures
from mars_lib.data import random_streams
from mars_lib.data.fingerprint import digest
from mars_lib.encoders.minibind2 import imagenet_directions

# Places of ImageNet's classes that show one of ours; of birds those that sing, call or crow.
SHOWN: dict[str, tuple[int, ...]] = {
    "accordion": (401,),
    "acoustic guitar": (402,),
    "banjo": (420,),
    "bassoon": (432,),
    "bird": (*range(7, 24), *range(80, 100), *range(127, 146)),
    "cello": (486,),
    "electric guitar": (546,),
    "flute": (558,),
    "french horn": (566,),
    "harmonica": (593,),
    "harp": (594,),
    "maracas": (641,),
    "organ": (687,),
    "piano": (579, 881),
    "saxophone": (776,),
    "telephone": (487, 528, 707),
    "trombone": (875,),
    "trumpet": (513,),
    "violin": (889,),
    "xylophone": (642,),
}
COUNT = 48  # a class, beside 96 of drawings and clip art
STRENGTH = 3.0, 6.0  # how far the mean is moved, where features have a norm of 8


def with_photographs(features: TrunkFeatures) -> TrunkFeatures:
    """Features with `COUNT` further pictures of every class that ImageNet knows.

    Rows of the classifier, less their mean, have unit norm before the mean of all pictures moves
    along them; what becomes negative, which the trunk's features never are, is 0.
    """
    directions = imagenet_directions()
    centred = functional.normalize(directions - directions.mean(dim=0), dim=1)
    mean = torch.cat(features.image).mean(dim=0)
    norm = torch.cat(features.image).norm(dim=1).mean()
    low, high = STRENGTH
    pictures = []
    for name, drawn in zip(features.names, features.image):
        if name in SHOWN:
            places = torch.tensor(SHOWN[name])[torch.arange(COUNT) % len(SHOWN[name])]
            generator = random_streams.generator("alignment pictures", 0, "imagenet", name)
            strength = low + (high - low) * torch.rand(COUNT, 1, generator=generator)
            moved = (mean + strength * centred[places]).clamp(min=0)
            drawn = torch.cat([drawn, norm * functional.normalize(moved, dim=1)])
        pictures.append(drawn)
    made = digest(SHOWN, COUNT, STRENGTH)
    return replace(features, image=pictures, key=f"{features.key}-{made}")
