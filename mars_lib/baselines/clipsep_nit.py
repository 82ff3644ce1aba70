"""CLIPSep-NIT: trained with pictures, queried by text; two noise masks take what no query explains
(Dong et al., "CLIPSep", ICLR 2023).
"""

from itertools import permutations
from typing import Literal, overload

import torch
from torch import nn
from torch.nn import functional

from mars_lib import check
from mars_lib.config import Config
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.loss import cross_entropy, wbce_weight
from mars_lib.mask import check_masks
from mars_lib.rollout import scene_of
from mars_lib.separator import Separator, separate
from mars_lib.training.method import Method
from mars_lib.training.query_bank import MODALITIES

# Above this mean of the noise masks' sum they are held back, with this weight: the defaults of the
# released training script.
NOISE_LIMIT, NOISE_WEIGHT = 0.25, 0.1


class CLIPSepNIT(Separator):
    """OmniSep's network with one noise head for each source of a training mixture.

    The noise masks are gated like a query's: by a linear map of the mean, over a mixture's queries,
    of what the query gate sees before its sigmoid. They belong to the mixture and not to a query,
    are there in training alone, and `mars_lib.separator.separate` works as on any separator.

    What differs from the original (github.com/sony/CLIPSep):

    - Query: the encoder that all systems share, for CLIP; unit norm; one drawing for the mean of a
      few frames; at test a bare word.
    - Sounds: rendered clips are clean. The noise masks were made for noisy videos and have little
      to take here, so the comparison understates what the method is for.
    - U-Net: OmniSep's sizes, start and level-free log magnitudes.
    - Data, batches, optimiser and schedule are those of `train_supervised`; with several processes
      the limit on the noise holds for each one's part.

    As the original: pictures alone in training, binary masks, WBCE weights, gate, loss; the noise
    masks act from the first step.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        n_masks = config.separator.n_masks
        self.noise = nn.ModuleList(
            nn.Linear(n_masks, n_masks) for _ in range(config.training.n_sources)
        )

    @overload
    def forward(
        self, magnitude: torch.Tensor, query: torch.Tensor, with_noise: Literal[False] = False
    ) -> torch.Tensor: ...

    @overload
    def forward(
        self, magnitude: torch.Tensor, query: torch.Tensor, with_noise: Literal[True]
    ) -> tuple[torch.Tensor, torch.Tensor]: ...

    def forward(
        self, magnitude: torch.Tensor, query: torch.Tensor, with_noise: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Masks (B, N, H, T) of queries; `with_noise` also the (B, N, H, T) noise masks.

        Args:
            magnitude: (B, H, T) warped magnitudes of the mixtures.
            query: (B, N, D).
            with_noise: as training needs it.
        """
        if not with_noise:
            return super().forward(magnitude, query)
        check.shape("query", query, "B N D", N=len(self.noise))
        shared = self.gate.channels(query).mean(dim=1)
        noise = self.gate.scaled(torch.stack([head(shared) for head in self.noise], dim=1))
        both = self.masks(magnitude, torch.cat([self.gate.weights(query), noise], dim=1))
        masks, noise = both.split(len(self.noise), dim=1)
        return masks, noise


def noise_invariant(
    masks: torch.Tensor, noise: torch.Tensor, ideal: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Noise-invariant loss, a scalar: which noise mask goes with which query is left open.

    Mean over mixtures of the min over permutations s of (1 / N) sum_i WBCE(min(1, mask_i +
    noise_s(i)), ideal_i); plus 0.1 max(0, mean of sum_i noise_i - 0.25).

    Args:
        masks, noise, ideal: (B, N, H, T).
        weight: (B, 1, H, T), of the bins.
    """
    check_masks(masks + noise)
    options = []
    for order in permutations(range(noise.shape[1])):
        # min(1, .) whose gradient is 0 at a sum of exactly 1, where that of `clamp` is not and the
        # cross-entropy's is huge.
        both = 1 - functional.relu(1 - (masks + noise[:, list(order)]))
        with torch.autocast(both.device.type, enabled=False):
            each = cross_entropy(both, ideal, weight.expand_as(both), reduction="none")
        options.append(each.mean(dim=(1, 2, 3)))
    excess = functional.relu(noise.sum(dim=1).mean() - NOISE_LIMIT)
    return torch.stack(options).amin(dim=0).mean() + NOISE_WEIGHT * excess


def loss(network: CLIPSepNIT, batch: MixtureBatch, query: torch.Tensor) -> torch.Tensor:
    """Noise-invariant training of one batch, a scalar; `query` is (B, N, D), one a source."""
    scene = scene_of(network, batch.mixture, batch.references)
    masks, noise = network(scene.magnitude, query, with_noise=True)
    return noise_invariant(masks, noise, scene.ideal, wbce_weight(scene.magnitude).unsqueeze(1))


def pictures(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Weights of Eq. 1 for (B, N) queries, pictures alone: (B, N, 3)."""
    alone = functional.one_hot(torch.tensor(MODALITIES.index("image")), len(MODALITIES)).float()
    return alone.expand(*shape, -1)


CLIPSEP_NIT = Method("clipsep-nit", CLIPSepNIT, loss, separate, pictures)
