"""Audio of any length: overlap-add of segments, in memory that does not grow with the file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral

import torch
from torch.nn import functional

from mars_lib import check
from mars_lib.io import devices
from mars_lib.separator import Separator, separate

# A segment, in training lengths. The network is the surer the more of a sound it hears, and a
# segment padded with silence is unlike all that it was trained on.
LENGTHS = 4
HALF = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
OVERLAPS = (0.25, 0.75)


@dataclass(frozen=True)
class Segments:
    """How a long waveform is cut into segments, and in what precision those are separated.

    Args:
        batch_size: most segments that go through the U-Net at a time.
        overlap: share of a segment that the next one covers too, 0.25 to 0.75. More of it is
            slower; less of it gives the edges of a segment, which know only one side, more weight.
        precision: "32-true" (float32), "bf16-mixed" or "16-mixed" (autocast). Where the hardware
            only emulates bfloat16, float32 is used in its place: it is faster there.
    Raises: `InputError` for other values.
    """

    batch_size: int = 2
    overlap: float = 0.5
    precision: str = "32-true"

    def __post_init__(self) -> None:
        size = self.batch_size
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            check.fail("batch size", f"is {size!r}", "give a whole number of 1 or more")
        check.between("overlap", self.overlap, *OVERLAPS)
        check.one_of("precision", self.precision, check.PRECISIONS)


DEFAULT = Segments()


def separate_long(
    separator: Separator,
    mixture: torch.Tensor,
    query: torch.Tensor,
    segments: Segments = DEFAULT,
) -> torch.Tensor:
    """Estimates for a whole waveform: (C, L) mixture and (N, D) queries -> (N, C, L).

    What is no longer than a segment is separated as it is. Of the rest, segments overlap, and a
    sample is their mean, weighted by windows: no seams. Channels are separated each on its own.
    """
    return torch.cat(list(separate_blocks(separator, [mixture], query, segments)), dim=-1)


@torch.no_grad()
def separate_blocks(
    separator: Separator,
    blocks: Iterable[torch.Tensor],
    query: torch.Tensor,
    segments: Segments = DEFAULT,
) -> Iterator[torch.Tensor]:
    """The same for a stream: (C, L_i) blocks in, (N, C, M_j) blocks out, equal in total length.

    `segments.batch_size` segments a channel are held at a time, and the open part of one.
    """
    stream = None
    for block in blocks:
        if stream is None:
            stream = _Stream(separator, query, segments, len(block))
        yield from stream.push(block)
    if stream is not None:
        yield from stream.finish()


class _Stream:
    """The state of one overlap-add: samples that wait, and the sums that later segments add to."""

    def __init__(
        self, separator: Separator, query: torch.Tensor, segments: Segments, channels: int
    ) -> None:
        self.separator, self.segments = separator, segments
        self.query = query.to(next(separator.parameters()).device)
        self.length = LENGTHS * (separator.config.signal.length // 2 * 2)
        self.hop = round((1 - segments.overlap) * self.length)
        self.pending = self.query.new_zeros(channels, 0)
        # Of estimates times window, and of windows.
        self.tail, self.weight = (
            self.query.new_zeros(len(query), channels, 0),
            self.query.new_zeros(0),
        )

    def push(self, block: torch.Tensor) -> Iterator[torch.Tensor]:
        """What is finished once a (C, L_i) block has come; the last segment waits for the end."""
        self.pending = torch.cat([self.pending, block.to(self.query.device)], dim=-1)
        count = self.segments.batch_size
        while self.pending.shape[-1] > (count - 1) * self.hop + self.length:
            yield self._advance(count, self.length, count * self.hop)

    def finish(self) -> Iterator[torch.Tensor]:
        """All that is left, once no block will come. The last segment is as long as the rest."""
        while (left := self.pending.shape[-1] - self.length) > 0:
            count = min(self.segments.batch_size, -(-left // self.hop))
            yield self._advance(count, self.length, count * self.hop)
        if rest := self.pending.shape[-1]:
            yield self._advance(1, rest, rest)

    def _advance(self, count: int, length: int, done: int) -> torch.Tensor:
        """The next `done` samples, (N, C, done), which the next `count` segments finish."""
        stretch = self.pending[..., : (count - 1) * self.hop + length]
        self.pending = self.pending[..., done:]
        cut = stretch.unfold(-1, length, self.hop)  # (C, S, length)
        parts = cut.reshape(-1, length).split(self.segments.batch_size)
        estimates = torch.cat([self._separate(part) for part in parts])
        check.finite(
            "estimate", estimates, "scale the mixture to [-1, 1], or fetch the checkpoint again"
        )
        estimates = estimates.reshape(*cut.shape[:2], len(self.query), length).permute(2, 0, 1, 3)
        faded = window(length, self.query.device)
        further = stretch.shape[-1] - self.weight.shape[-1]
        total, weight = (functional.pad(each, (0, further)) for each in (self.tail, self.weight))
        for s in range(count):
            here = slice(s * self.hop, s * self.hop + length)
            total[..., here] += faded * estimates[..., s, :]
            weight[here] += faded
        self.tail, self.weight = total[..., done:], weight[done:]
        return total[..., :done] / weight[:done]

    def _separate(self, segments: torch.Tensor) -> torch.Tensor:
        """(S, length) segments -> (S, N, length) estimates."""
        kind = segments.device.type
        dtype = HALF.get(devices.used(self.segments.precision, kind))
        with torch.autocast(kind, dtype, enabled=dtype is not None):
            return separate(self.separator, segments, self.query.expand(len(segments), -1, -1))


def window(length: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """The weight of each sample of a segment, (length,): Hann's window, nowhere 0.

    >>> window(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    phase = torch.linspace(0, torch.pi, length + 2, device=device)[1:-1]
    return phase.sin().square()  # 1 - cos would round to 0 at the edges
