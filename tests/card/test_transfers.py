"""A step of training waits for its card once, to read its numbers.

What cannot be seen here is what torch does below its Python functions: `torch.istft` looks at its
window by itself. `tests/gpu/test_transfers.py` counts what a real card does.
"""

import traceback

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from tests.card.imitation import CPU, T, device_of
from tests.card.steps import LAST, WAYS, steps_apart, take_steps

READS = {
    T.item,
    T.tolist,
    T.__bool__,
    T.__int__,
    T.__float__,
    T.__index__,
    T.__contains__,
    T.__format__,
    T.__repr__,
    T.nonzero,
    torch.nonzero,
    torch.equal,
    T.equal,
    torch.allclose,
    T.allclose,
    torch.unique,
    T.unique,
    torch.masked_select,
    T.masked_select,
}

# It asks below Python where the gradients are, and is told where they are in truth.
BLIND = "torch/nn/utils/clip_grad.py"


class Reads(TorchFunctionMode):
    """Notes the lines that make the host wait for a card's tensor."""

    def __init__(self):
        super().__init__()
        self.places = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.reads(function, args, kwargs):
            line = traceback.extract_stack(limit=2)[0]
            if not line.filename.endswith(BLIND):
                self.places.append(f"{line.filename}:{line.lineno} {line.line}")
        return function(*args, **kwargs)

    def reads(self, function, args, kwargs) -> bool:
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        cards = [each for each in given if device_of(each) != CPU]
        if function in READS:
            return bool(cards)
        if function in (T.cpu, T.numpy):
            return bool(cards)
        if function in (T.to, T.type_as):
            return bool(cards) and device_of(args[0]) != CPU and self.leaves(args, kwargs)
        if function is T.copy_:
            return device_of(args[0]) == CPU and device_of(args[1]) != CPU
        if function in (T.__getitem__, T.__setitem__):
            return any(
                isinstance(each, torch.Tensor) and each.dtype == torch.bool
                for each in tree_leaves(args[1])
            ) and bool(cards)
        return False

    @staticmethod
    def leaves(args, kwargs) -> bool:
        """Whether `Tensor.to` goes to the CPU."""
        for each in (*args[1:], *kwargs.values()):
            if isinstance(each, torch.Tensor):
                return device_of(each) == CPU
            if isinstance(each, (str, torch.device)):
                return torch.device(each) == CPU
        return False


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("way", WAYS)
def test_a_step_reads_its_numbers_and_nothing_else(
    way, precision, device, start, encoder, music, pooling, tmp_path, monkeypatch
):
    reads = Reads()
    counts = steps_apart(monkeypatch, reads.places)
    with reads:
        take_steps(way, precision, device, start, encoder, music, pooling, tmp_path)
    # The first step fills caches, the last one is followed by a validation.
    for places in counts[1:LAST]:
        assert len(places) == 1 and "optimisation.py" in places[0], places


def test_what_waits_for_a_card_is_seen(device):
    card, reads = torch.ones(3, device=device), Reads()
    waits = [
        lambda: card.sum().item(),
        card.tolist,
        lambda: float(card[0]),
        lambda: bool(card.any()),
        card.cpu,
        lambda: card.to("cpu"),
        lambda: card[card > 0],
        lambda: torch.zeros(3).copy_(card),
        lambda: card.isfinite().all() and None,
    ]
    with reads:
        for i, wait in enumerate(waits, 1):
            wait()
            assert len(reads.places) == i, reads.places
        card.clone().to(device).float().add_(1)[1:].mean(), torch.ones(3).tolist()
        torch.ones(3).to(device)
    assert len(reads.places) == len(waits), reads.places
