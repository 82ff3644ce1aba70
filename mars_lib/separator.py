"""The Separate-Net: a U-Net that hears the mixture once, and a gate that asks it for one source."""

import torch
from torch import nn
from torch.nn import functional

from mars_lib import check
from mars_lib.config import Config
from mars_lib.mask import to_waveform
from mars_lib.stft import LogFrequencyWarp, stft


class _Level(nn.Module):
    """One level of the U-Net: halve, run what is inside, double, and join the skip connection."""

    def __init__(self, outer: int, inner: int, inside: nn.Module | None, first_in: int = 0):
        super().__init__()
        outermost, innermost = first_in > 0, inside is None
        down = [nn.Conv2d(first_in or outer, inner, 4, stride=2, padding=1, bias=False)]
        if not outermost:
            down.insert(0, nn.LeakyReLU(0.2))
        if not outermost and not innermost:
            down.append(nn.BatchNorm2d(inner))
        up = [
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(inner if innermost else 2 * inner, outer, 3, padding=1, bias=outermost),
        ]
        if not outermost:
            up.append(nn.BatchNorm2d(outer))
        self.down, self.inside, self.up = nn.Sequential(*down), inside, nn.Sequential(*up)
        self.outermost = outermost

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.down(x)
        y = self.up(inner if self.inside is None else self.inside(inner))
        return y if self.outermost else torch.cat([x, y], dim=1)


class UNet(nn.Module):
    """7-layer U-Net: (B, 1, H, T) log magnitudes -> (B, K, H, T) intermediate maps (Appendix B).

    Width 64 and K = 32 give 30,274,210 parameters. H and T may be any size: they are padded to a
    multiple of 2^layers and cut again.
    """

    def __init__(self, n_layers: int, n_masks: int, width: int):
        super().__init__()
        self.multiple = 2**n_layers
        level = _Level(8 * width, 8 * width, None)
        for _ in range(n_layers - 5):
            level = _Level(8 * width, 8 * width, level)
        for factor in (4, 2, 1):
            level = _Level(factor * width, 2 * factor * width, level)
        self.norm = nn.BatchNorm2d(1)
        self.levels = _Level(n_masks, width, level, first_in=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, frames = x.shape[-2:]
        pad = (0, -frames % self.multiple, 0, -height % self.multiple)
        return self.levels(functional.pad(self.norm(x), pad, mode="replicate"))[
            ..., :height, :frames
        ]


class QueryGate(nn.Module):
    """Maps and queries to proposals: sigmoid(sum_k s_k g_k(q) map_k + b), g = sigmoid(Linear(q)).

    Section 3.1.2: the query becomes channel weights, the weighted sum becomes the mask.
    """

    def __init__(self, embedding_size: int, n_masks: int):
        super().__init__()
        self.channels = nn.Linear(embedding_size, n_masks)
        self.scale = nn.Parameter(torch.ones(n_masks))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, maps: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """(B, K, H, T) maps and (B, N, D) queries -> (B, N, H, T) proposals P in [0, 1].

        Always in float32, also under autocast: the ratio of Eq. 3 compares proposals bin by bin.
        """
        check.shape("query", query, "B N D", B=maps.shape[0], D=self.channels.in_features)
        with torch.autocast(maps.device.type, enabled=False):
            return self.combine(maps, self.channels(query.to(self.channels.weight.dtype)))

    def combine(self, maps: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
        """The same from what the queries became: (B, N, K) weights before their sigmoid."""
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
            weights = torch.sigmoid(channels.to(maps.dtype)) * self.scale
            logits = torch.einsum("bnk,bkht->bnht", weights, maps)
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
        """(B, H, T) warped mixture magnitudes -> (B, K, H, T).

        The U-Net sees log magnitudes. The paper does not say how loud a mixture is; we divide by
        its RMS magnitude, so that a mask does not depend on the level, and floor at 1e-3 of it.
        """
        level = magnitude.square().mean(dim=(-2, -1), keepdim=True).sqrt().clamp(min=1e-8)
        return self.unet(torch.log(magnitude / level + 1e-3).unsqueeze(1))

    def forward(self, magnitude: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """(B, H, T) warped mixture magnitudes, (B, N, D) queries -> (B, N, H, T) proposals."""
        return self.gate(self.maps(magnitude), query)


def analyse(separator: Separator, mixture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the policy sees and what its masks multiply: ((B, H, T) magnitudes, (B, F, T)
    complex).
    """
    spectrogram = stft(mixture, separator.config.signal)
    return separator.warp.warp(spectrogram.abs()), spectrogram


def reconstruct(
    separator: Separator, mask: torch.Tensor, spectrogram: torch.Tensor, length: int
) -> torch.Tensor:
    """s(X, M) of Section 3.2.1: (B, N, H, T) masks over (B, F, T) mixtures -> (B, N, L)."""
    with torch.autocast(mask.device.type, enabled=False):
        linear = separator.warp.unwarp(mask)
        return to_waveform(linear, spectrogram.unsqueeze(1), separator.config.signal, length)


def separate(separator: Separator, mixture: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Estimates of the queried sources: (B, L) mixture and (B, N, D) queries -> (B, N, L).

    The proposal itself is the mask: it is the mode of the Beta policy (Eq. 2). One U-Net pass a
    mixture. A silent mixture gives silence.
    """
    check.shape("mixture", mixture, "B L")
    magnitude, spectrogram = analyse(separator, mixture)
    proposal = separator(magnitude, query)
    return reconstruct(separator, proposal, spectrogram, mixture.shape[-1])
