"""AudioSep: a residual U-Net that the query reaches in every block, trained on waveforms (Liu et
al., "Separate Anything You Describe", 2023).
"""

import torch
from torch import nn
from torch.nn import functional

from mars_lib import check
from mars_lib.config import Config
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.stft import LogFrequencyWarp, istft, stft
from mars_lib.training.method import Method
from mars_lib.training.query_bank import MODALITIES

# Channels of the encoder's blocks and of the bottleneck over the width; the decoder mirrors them.
CHANNELS = (1, 2, 4, 8, 12, 12, 12)
# By how much an encoder's block shrinks frequency and time: the last one leaves time alone.
STRIDES = ((2, 2),) * 5 + ((2, 1),)


class _Conditioned(nn.Module):
    """conv(leaky ReLU(BN(x) + shift(q))): FiLM as AudioSep has it, a shift a channel, linear in the
    query, and no scale but BatchNorm's own.
    """

    def __init__(self, channels: int, query_size: int, conv: nn.Module) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, momentum=0.01)
        self.shift = nn.Linear(query_size, channels)
        self.conv = conv

    def forward(self, x: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        shifted = self.norm(x) + self.shift(query)[:, :, None, None]
        return self.conv(functional.leaky_relu(shifted, 0.01, inplace=True))


class _Block(nn.Module):
    """Two conditioned 3 x 3 convolutions around a shortcut: (B, C, H, T) -> (B, C', H, T)."""

    def __init__(self, inner: int, outer: int, query_size: int) -> None:
        super().__init__()
        self.first = _Conditioned(
            inner, query_size, nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        )
        self.second = _Conditioned(
            outer, query_size, nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        )
        self.shortcut = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)

    def forward(self, x: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + self.second(self.first(x, query), query)


class ResUNet(nn.Module):
    """(B, 1, H, T) and (B, D) -> (B, 3, H, T): one pass a query.

    H and T may be any size: zeros fill them up to multiples of 64 and 32.
    """

    def __init__(self, width: int, query_size: int) -> None:
        super().__init__()
        sizes = [factor * width for factor in CHANNELS]
        self.enter = nn.Conv2d(1, width, 1)
        self.encoder = nn.ModuleList(
            _Block(a, b, query_size) for a, b in zip([width, *sizes], sizes)
        )
        self.up = nn.ModuleList(
            _Conditioned(b, query_size, nn.ConvTranspose2d(b, a, stride, stride, bias=False))
            for a, b, stride in zip(sizes, sizes[1:], STRIDES)
        )
        self.decoder = nn.ModuleList(_Block(2 * a, a, query_size) for a in sizes[:-1])
        self.leave = nn.Conv2d(width, 3, 1)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        height, frames = x.shape[-2:]
        x = self.enter(functional.pad(x, (0, -frames % 32, 0, -height % 64)))
        *encoder, bottleneck = self.encoder
        skips = []
        for block, stride in zip(encoder, STRIDES):
            skips.append(block(x, query))
            x = functional.avg_pool2d(skips[-1], stride)
        x = bottleneck(x, query)
        for up, block, skip in reversed(list(zip(self.up, self.decoder, skips))):
            x = block(torch.cat([up(x, query), skip], dim=1), query)
        return self.leave(x)[..., :height, :frames]


class AudioSep(nn.Module):
    """Mixtures and one query each in, waveforms out: the mask turns magnitudes down, the rotation
    turns the mixture's phases.

    What differs from the original (github.com/Audio-AGI/AudioSep), to stand beside the other
    systems on two cores:

    - Signal: 16 kHz and an STFT of 1024 / 256 samples, for 32 kHz and 2048 / 320.
    - The network sees H log-spaced rows of the spectrogram and its three maps are interpolated to
      the F bins that they multiply; the original works on the linear bins, and leaves the highest
      one silent.
    - A mixture's magnitudes are divided by their RMS, so that the level does not matter; the
      original sees them as they are.
    - Width: half of `config.separator.width`, so 32 as in the original for `paper()` and 6 for
      `comparison()`. The depth is the original's.
    - Query: the encoder that all systems share, for CLAP; each query of training is a text or a
      sound with equal chance. The original trains on texts (`use_text_ratio: 1.0` in its release),
      and where it mixes, one draw decides for a whole batch and the sound is the target itself, not
      another recording.
    - Data, batches, optimiser and schedule are those of `train_supervised`: other gains, Adam for
      AdamW with AMSGrad, clipped gradients, a falling rate.

    As the original: shifts before every activation, BatchNorm's momentum, average pooling, Xavier's
    start, sigmoid and tanh, three maps. Its code has a fourth map, a magnitude to be added, only in
    a comment; so there is none here, and a silent bin stays silent.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.warp = LogFrequencyWarp(config.signal)
        self.norm = nn.BatchNorm1d(config.signal.n_bins, momentum=0.01)
        self.network = ResUNet(config.separator.width // 2, config.separator.embedding_size)

    def maps(
        self, magnitude: torch.Tensor, query: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, F, T) magnitudes, (B, D) queries -> mask and complex rotation, (B, F, T), float32.

        The mask is in [0, 1], the rotation of modulus 1.
        """
        level = magnitude.square().mean(dim=(-2, -1), keepdim=True).sqrt().clamp(min=1e-8)
        seen = self.norm(self.warp.warp(magnitude / level)).unsqueeze(1)
        mask, real, imaginary = self.network(seen, query).float().unbind(1)
        with torch.autocast(magnitude.device.type, enabled=False):
            # Between two rows we interpolate the points, not their angles, which would jump at pi.
            points = self.warp.to_linear @ torch.stack([real, imaginary], dim=1).tanh()
            rotation = torch.complex(*points.unbind(1)).sgn()
            return self.warp.unwarp(mask.sigmoid()), rotation

    def forward(self, mixture: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """(B, L) mixtures, (B, D) queries -> (B, L) estimates."""
        check.shape("mixture", mixture, "B L")
        check.shape(
            "query", query, "B D", B=mixture.shape[0], D=self.config.separator.embedding_size
        )
        with torch.autocast(mixture.device.type, enabled=False):
            spectrogram = stft(mixture, self.config.signal)
        mask, rotation = self.maps(spectrogram.abs(), query)
        with torch.autocast(mixture.device.type, enabled=False):
            return istft(mask * rotation * spectrogram, self.config.signal, mixture.shape[-1])


def loss(network: AudioSep, batch: MixtureBatch, query: torch.Tensor) -> torch.Tensor:
    """Mean |estimate - reference| of the waveforms, a scalar (L1).

    AudioSep learns one target a mixture, so of the (B, N, D) queries we use the first source's: a
    step is one pass a mixture. Sources are in random order.
    """
    return functional.l1_loss(network(batch.mixture, query[:, 0]), batch.references[:, 0])


def separate(network: AudioSep, mixture: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Estimates of the queried sources: (B, L), (B, N, D) -> (B, N, L).

    One pass a query. A silent mixture gives silence.
    """
    check.shape("query", query, "B N D", B=mixture.shape[0])
    n_queries = query.shape[1]
    return network(mixture.repeat_interleave(n_queries, dim=0), query.flatten(0, 1)).unflatten(
        0, (-1, n_queries)
    )


def text_or_audio(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Weights of Eq. 1 for (B, N) queries, each a text or a sound alone: (B, N, 3)."""
    either = torch.tensor([MODALITIES.index("audio"), MODALITIES.index("text")])
    picked = either[torch.randint(2, shape, generator=generator)]
    return functional.one_hot(picked, len(MODALITIES)).float()


AUDIOSEP = Method("audiosep", AudioSep, loss, separate, text_or_audio)
