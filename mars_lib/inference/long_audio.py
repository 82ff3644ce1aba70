"""Audio of any length: overlap-add of segments, in memory that does not grow with the file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral

import torch
from torch.nn import functional

from mars_lib import check
from mars_lib.io import devices
from mars_lib.separator import Separator, separate

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

    batch_size: int = 8
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

    Segments of the training length overlap and are cross-faded with windows that sum to 1: no
    seams. Channels are separated each on its own.
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
    """The state of one overlap-add: samples that wait, and the sum that later segments add to."""

    def __init__(
        self, separator: Separator, query: torch.Tensor, segments: Segments, channels: int
    ) -> None:
        self.separator, self.segments = separator, segments
        self.query = query.to(next(separator.parameters()).device)
        self.length = separator.config.signal.length // 2 * 2
        self.hop = round((1 - segments.overlap) * self.length)
        self.window = window(self.length, self.hop, self.query.device)
        # Silence in front gives the first samples their full sum of windows; `skip` cuts it off.
        self.skip = self.length - self.hop
        self.pending = self.query.new_zeros(channels, self.skip)
        self.tail = self.query.new_zeros(len(query), channels, self.skip)
        self.unwritten = 0

    def push(self, block: torch.Tensor) -> Iterator[torch.Tensor]:
        """What is finished once a (C, L_i) block has come."""
        self.unwritten += block.shape[-1]
        self.pending = torch.cat([self.pending, block.to(self.query.device)], dim=-1)
        count = self.segments.batch_size
        while self.pending.shape[-1] >= (count - 1) * self.hop + self.length:
            yield from self._advance(count)

    def finish(self) -> Iterator[torch.Tensor]:
        """All that is left, once no block will come."""
        count = -(-self.pending.shape[-1] // self.hop)
        whole = (count - 1) * self.hop + self.length
        self.pending = functional.pad(self.pending, (0, whole - self.pending.shape[-1]))
        for start in range(0, count, self.segments.batch_size):
            yield from self._advance(min(self.segments.batch_size, count - start))

    def _advance(self, count: int) -> Iterator[torch.Tensor]:
        """The samples that the next `count` segments finish, where there are any."""
        stretch = self.pending[..., : (count - 1) * self.hop + self.length]
        self.pending = self.pending[..., count * self.hop :]
        done = self._overlap_add(stretch)
        kept = done[..., self.skip :][..., : self.unwritten]
        self.skip = max(0, self.skip - done.shape[-1])
        self.unwritten -= kept.shape[-1]
        if kept.shape[-1]:
            yield kept

    def _overlap_add(self, stretch: torch.Tensor) -> torch.Tensor:
        """(C, (S - 1) hop + length) samples -> (N, C, S hop) finished ones."""
        cut = stretch.unfold(-1, self.length, self.hop)  # (C, S, length)
        parts = cut.reshape(-1, self.length).split(self.segments.batch_size)
        estimates = torch.cat([self._separate(part) for part in parts]) * self.window
        estimates = estimates.reshape(*cut.shape[:2], len(self.query), self.length)
        estimates = estimates.permute(2, 0, 1, 3)  # (N, C, S, length)
        check.finite(
            "estimate", estimates, "scale the mixture to [-1, 1], or fetch the checkpoint again"
        )
        total = functional.pad(self.tail, (0, stretch.shape[-1] - self.tail.shape[-1]))
        for s in range(cut.shape[1]):
            total[..., s * self.hop : s * self.hop + self.length] += estimates[..., s, :]
        done = cut.shape[1] * self.hop
        self.tail = total[..., done:]
        return total[..., :done]

    def _separate(self, segments: torch.Tensor) -> torch.Tensor:
        """(S, length) segments -> (S, N, length) estimates."""
        kind = segments.device.type
        dtype = HALF.get(devices.used(self.segments.precision, kind))
        with torch.autocast(kind, dtype, enabled=dtype is not None):
            return separate(self.separator, segments, self.query.expand(len(segments), -1, -1))


def window(length: int, hop: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """A Hann window (length,) whose copies, `hop` samples apart, sum to 1 everywhere.

    >>> window(4, 2)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    hann = torch.hann_window(length, device=device)
    if 2 * hop == length:  # its halves sum to 1 as they are
        return hann
    copies = -(-length // hop)
    total = functional.pad(hann, (0, copies * hop - length)).reshape(copies, hop).sum(dim=0)
    return hann / total.repeat(copies)[:length]
