"""Audio of any length: overlap-add of segments, in memory that does not grow with the file."""

from collections.abc import Iterable, Iterator

import torch
from torch.nn import functional

from mars_lib import check
from mars_lib.separator import Separator, separate


def separate_long(
    separator: Separator, mixture: torch.Tensor, query: torch.Tensor, batch_size: int = 8
) -> torch.Tensor:
    """Estimates for a whole waveform: (C, L) mixture and (N, D) queries -> (N, C, L).

    Segments of the training length overlap by half and are cross-faded with a Hann window, whose
    halves sum to 1: no seams. Channels are separated each on its own.
    """
    return torch.cat(list(separate_blocks(separator, [mixture], query, batch_size)), dim=-1)


@torch.no_grad()
def separate_blocks(
    separator: Separator,
    blocks: Iterable[torch.Tensor],
    query: torch.Tensor,
    batch_size: int = 8,
) -> Iterator[torch.Tensor]:
    """The same for a stream: (C, L_i) blocks in, (N, C, M_j) blocks out, equal in total length.

    `batch_size` segments a channel are held at a time, and the open half of one.
    """
    length = separator.config.signal.length // 2 * 2
    hop = length // 2
    query = query.to(next(separator.parameters()).device)
    window = torch.hann_window(length, device=query.device)
    pending = tail = None
    unwritten = 0

    def run(stretch: torch.Tensor) -> torch.Tensor:
        """(C, (S + 1) hop) samples -> (N, C, S hop) finished ones."""
        nonlocal tail
        segments = stretch.unfold(-1, length, hop)  # (C, S, length)
        flat = segments.reshape(-1, length)
        # Many channels are many segments: no more go through the U-Net at a time than two have.
        parts = flat.split(2 * batch_size)
        parts = [separate(separator, part, query.expand(len(part), -1, -1)) for part in parts]
        estimates = torch.cat(parts) * window
        estimates = estimates.reshape(*segments.shape[:2], len(query), length)
        estimates = estimates.permute(2, 0, 1, 3)  # (N, C, S, length)
        check.finite(
            "estimate", estimates, "scale the mixture to [-1, 1], or fetch the checkpoint again"
        )
        late = torch.cat([tail[..., None, :], estimates[..., :-1, hop:]], dim=-2)
        tail = estimates[..., -1, hop:]
        return (late + estimates[..., :hop]).flatten(-2)

    for block in blocks:
        block = block.to(query.device)
        if pending is None:
            # Half a segment of silence in front gives the first samples their full window; `skip`
            # cuts it off.
            pending = block.new_zeros(len(block), hop)
            tail = block.new_zeros(len(query), len(block), hop)
            skip = hop
        unwritten += block.shape[-1]
        pending = torch.cat([pending, block], dim=-1)
        while pending.shape[-1] >= (batch_size + 1) * hop:
            done = run(pending[..., : (batch_size + 1) * hop])[..., skip:]
            pending, skip = pending[..., batch_size * hop :], 0
            unwritten -= done.shape[-1]
            yield done
    if pending is not None:
        count = -(-pending.shape[-1] // hop)
        padded = functional.pad(pending, (0, (count + 1) * hop - pending.shape[-1]))
        for start in range(0, count, batch_size):
            stop = min(start + batch_size, count)
            done = run(padded[..., start * hop : (stop + 1) * hop])[..., skip:][..., :unwritten]
            skip = 0
            unwritten -= done.shape[-1]
            yield done
