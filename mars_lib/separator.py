"""The Separate-Net: a U-Net that reads the mixture once, and a gate that queries it per source."""

import torch
from torch import nn
from torch.nn import functional

from mars_lib import check
from mars_lib.config import Config
from mars_lib.mask import to_waveform
from mars_lib.stft import LogFrequencyWarp, magnitude_of, stft


class _Bottleneck(nn.Module):
    """The innermost level: halve, double, and join the skip connection."""

    def __init__(self, outer: int, inner: int):
        super().__init__()
        # (B, outer, H, T) -> (B, inner, H / 2, T / 2)
        self.down = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=False),
        )
        # (B, inner, H / 2, T / 2) -> (B, outer, H, T)
        self.up = nn.Sequential(
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(inner, outer, 3, padding=1, bias=False),
            nn.BatchNorm2d(outer),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, outer, H, T) -> (B, 2 outer, H, T), x itself first."""
        return torch.cat([x, self.up(self.down(x))], dim=1)


class _Level(nn.Module):
    """A level between: halve, run the levels `inside`, double, and join the skip connection."""

    def __init__(self, outer: int, inner: int, inside: nn.Module):
        super().__init__()
        # (B, outer, H, T) -> (B, inner, H / 2, T / 2)
        self.down = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(inner),
        )
        # (B, inner, H / 2, T / 2) -> (B, 2 inner, H / 2, T / 2)
        self.inside = inside
        # (B, 2 inner, H / 2, T / 2) -> (B, outer, H, T)
        self.up = nn.Sequential(
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(2 * inner, outer, 3, padding=1, bias=False),
            nn.BatchNorm2d(outer),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, outer, H, T) -> (B, 2 outer, H, T), x itself first."""
        return torch.cat([x, self.up(self.inside(self.down(x)))], dim=1)


class _Outermost(nn.Module):
    """The level that sees the input and gives the maps: no skip connection, no normalisation."""

    def __init__(self, n_masks: int, width: int, inside: nn.Module):
        super().__init__()
        # (B, 1, H, T) -> (B, width, H / 2, T / 2)
        self.down = nn.Sequential(nn.Conv2d(1, width, 4, stride=2, padding=1, bias=False))
        # (B, width, H / 2, T / 2) -> (B, 2 width, H / 2, T / 2)
        self.inside = inside
        # (B, 2 width, H / 2, T / 2) -> (B, K, H, T)
        self.up = nn.Sequential(
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(2 * width, n_masks, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, T) -> (B, K, H, T)."""
        return self.up(self.inside(self.down(x)))

    def queried(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The weighted sums of the maps, which are not made: their layers are linear and commute.

        The K kernels of the last convolution are summed first, into one a query. What a kernel
        gathers from its nine neighbours is mixed before it is upsampled: a quarter of the bins, and
        9 N channels in place of K maps. The same numbers as from `forward`, but for rounding.

        Args:
            x: (B, 1, H, T).
            weights: (B, N, K), of the maps.

        Returns:
            (B, N, H, T) float32 at least, always computed in it, also under autocast.
        """
        relu, upsample, last = self.up.children()
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        x = relu(self.inside(self.down(x)))
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(torch.promote_types(x.dtype, torch.float32))
            # Flipped: `fold` adds where a neighbour lies, a convolution reads from there.
            kernels = torch.einsum("bnk,kcyx->bnyxc", weights, last.weight.flip(-2, -1))
            # Channels last, as the layers below have them, and back for what is left of them.
            mixed = x.permute(0, 2, 3, 1).flatten(1, 2) @ kernels.flatten(1, 3).mT
            neighbours = upsample(mixed.mT.contiguous().unflatten(-1, x.shape[-2:]))
            size = neighbours.shape[-2:]
            summed = functional.fold(neighbours.flatten(2), size, 3, padding=1)
            return summed + (weights @ last.bias)[..., None, None]


class UNet(nn.Module):
    """The U-Net of Appendix B, 7 levels deep: log magnitudes to K intermediate masks.

    Width 64 and K = 32 give 30,274,210 parameters.

    Args:
        n_layers: levels, 5 or more: the side of the bottleneck is that of the input / 2^n_layers.
        n_masks: K.
        width: channels after the first halving; doubled three times, then constant.
    """

    def __init__(self, n_layers: int, n_masks: int, width: int):
        super().__init__()
        self.multiple = 2**n_layers
        level: nn.Module = _Bottleneck(8 * width, 8 * width)
        for _ in range(n_layers - 5):
            level = _Level(8 * width, 8 * width, level)
        for factor in (4, 2, 1):
            level = _Level(factor * width, 2 * factor * width, level)
        self.norm = nn.BatchNorm2d(1)
        self.levels = _Outermost(n_masks, width, level)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, T) log magnitudes -> (B, K, H, T) intermediate maps.

        H and T may be any size: they are padded to a multiple of 2^n_layers and cut again.
        """
        height, frames = x.shape[-2:]
        return self.levels(self._padded(x))[..., :height, :frames]

    def queried(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Weighted sums of the maps without the maps, much faster than `forward` and a sum.

        (B, 1, H, T) log magnitudes and (B, N, K) weights -> (B, N, H, T).
        """
        height, frames = x.shape[-2:]
        return self.levels.queried(self._padded(x), weights)[..., :height, :frames]

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        height, frames = x.shape[-2:]
        pad = (0, -frames % self.multiple, 0, -height % self.multiple)
        return functional.pad(self.norm(x), pad, mode="replicate")


class QueryGate(nn.Module):
    """Maps and queries to proposals: sigmoid(sum_k s_k g_k(Q) map_k + b), g = sigmoid(Linear(Q)).

    Section 3.1.2: the query becomes channel weights, the weighted sum becomes the mask.
    """

    def __init__(self, embedding_size: int, n_masks: int):
        super().__init__()
        self.channels = nn.Linear(embedding_size, n_masks)
        self.scale = nn.Parameter(torch.ones(n_masks))
        self.bias = nn.Parameter(torch.zeros(1))

    def weights(self, query: torch.Tensor) -> torch.Tensor:
        """(B, N, D) queries -> (B, N, K) weights of the maps, s_k g_k(Q).

        Raises `InputError` for queries of another embedding space's D.
        """
        check.shape("query", query, "B N D", D=self.channels.in_features)
        with torch.autocast(query.device.type, enabled=False):
            return self.scaled(self.channels(query.to(self.channels.weight.dtype)))

    def scaled(self, channels: torch.Tensor) -> torch.Tensor:
        """(B, N, K) channels before their sigmoid -> weights of the maps."""
        return torch.sigmoid(channels) * self.scale

    def forward(self, maps: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """(B, K, H, T) maps and (B, N, D) queries -> (B, N, H, T) proposals P in [0, 1].

        Always in float32, also under autocast: the ratio of Eq. 3 compares proposals bin by bin.
        """
        return self.combine(maps, self.weights(query))

    def combine(self, maps: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """(B, K, H, T) maps and (B, N, K) weights -> (B, N, H, T) proposals, float32 at least."""
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
            logits = torch.einsum("bnk,bkht->bnht", weights.to(maps.dtype), maps)
            return torch.sigmoid(logits + self.bias)


class Separator(nn.Module):
    """Mixture spectrogram and queries in, proposals out. The U-Net runs once, whatever N is."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        sizes = config.separator
        self.warp = LogFrequencyWarp(config.signal)
        self.unet = UNet(sizes.n_layers, sizes.n_masks, sizes.width)
        self.gate = QueryGate(sizes.embedding_size, sizes.n_masks)

    def maps(self, magnitude: torch.Tensor) -> torch.Tensor:
        """(B, H, T) warped mixture magnitudes -> (B, K, H, T) intermediate masks."""
        return self.unet(log_magnitude(magnitude))

    def forward(self, magnitude: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """(B, H, T) warped mixture magnitudes, (B, N, D) queries -> (B, N, H, T) proposals.

        What the gate makes of the maps, P = sigmoid(sum_k s_k g_k(Q) map_k + b).
        Raises `InputError` for queries of another batch size or of another embedding space's D.
        """
        check.shape("query", query, "B N D", B=magnitude.shape[0])
        return self.masks(magnitude, self.gate.weights(query))

    def masks(self, magnitude: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Masks of weighted maps, without the maps: (B, H, T) and (B, N, K) -> (B, N, H, T)."""
        logits = self.unet.queried(log_magnitude(magnitude), weights)
        return torch.sigmoid(logits + self.gate.bias)


def log_magnitude(magnitude: torch.Tensor) -> torch.Tensor:
    """What the U-Net sees: (B, H, T) warped magnitudes -> (B, 1, H, T).

    The paper does not say how loud a mixture is; we divide by its RMS magnitude, so that a mask
    does not depend on the level, and floor at 1e-3 of it.
    """
    level = magnitude.square().mean(dim=(-2, -1), keepdim=True).sqrt().clamp(min=1e-8)
    return torch.log(magnitude / level + 1e-3).unsqueeze(1)


def analyse(separator: Separator, mixture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the policy sees of a mixture, and what its masks multiply (Section 3.1.1).

    Args:
        mixture: (B, L) samples.

    Returns:
        The warped magnitudes, (B, H, T), and the complex spectrogram, (B, F, T).
    """
    spectrogram = stft(mixture, separator.config.signal)
    return separator.warp.warp(magnitude_of(spectrogram)), spectrogram


def reconstruct(
    separator: Separator, mask: torch.Tensor, spectrogram: torch.Tensor, length: int
) -> torch.Tensor:
    """The estimates s(X, M) of Section 3.2.1: masks over a mixture's spectrogram.

    Args:
        mask: (B, N, H, T) M in [0, 1].
        spectrogram: (B, F, T) X, complex.
        length: L, the samples of an estimate.

    Returns:
        (B, N, L) float32.
    """
    with torch.autocast(mask.device.type, enabled=False):
        linear = separator.warp.unwarp(mask)
        return to_waveform(linear, spectrogram.unsqueeze(1), separator.config.signal, length)


def separate(separator: Separator, mixture: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Estimates of the queried sources, by the most probable mask.

    The proposal itself is the mask: it is the mode of the Beta policy (Eq. 2). One U-Net pass a
    mixture. A silent mixture gives silence.

    Args:
        mixture: (B, L) samples.
        query: (B, N, D) embeddings.

    Returns:
        (B, N, L) estimates.

    Raises:
        InputError: for a mixture or a query of another shape.
    """
    check.shape("mixture", mixture, "B L")
    magnitude, spectrogram = analyse(separator, mixture)
    proposal = separator(magnitude, query)
    return reconstruct(separator, proposal, spectrogram, mixture.shape[-1])
