"""The imitated cards tell the mistakes of placement from what is right on a real card."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.card.imitation import cards


@pytest.fixture(autouse=True)
def two_cards(monkeypatch):
    with cards(monkeypatch):
        yield


def on(device, *shape):
    return torch.ones(*shape or (3,), device=device)


MIXED = {
    "added": lambda card: card + torch.ones(3),
    "a card's scalar with the CPU": lambda card: card.sum() * torch.ones(3),
    "joined": lambda card: torch.stack([card, torch.ones(3)]),
    "network": lambda card: nn.Linear(3, 2)(card),
    "the other way": lambda card: nn.Linear(3, 2).to("cuda:1")(torch.ones(3)),
    "another card": lambda card: card + torch.ones(3, device="cuda"),
    "indexed by the card": lambda card: torch.ones(3)[card.long()],
    "index of gather": lambda card: card.gather(0, torch.zeros(3).long()),
    "assigned by index": lambda card: card.__setitem__(torch.tensor([0, 1]), torch.ones(2)),
    "window": lambda card: torch.stft(
        on("cuda:1", 64), 16, window=torch.ones(16), return_complex=True
    ),
    "in place": lambda card: torch.ones(3).add_(card),
    "generator": lambda card: torch.rand(3, device="cuda:1", generator=torch.Generator()),
}


@pytest.mark.parametrize("mistake", MIXED.values(), ids=MIXED.keys())
def test_tensors_of_two_devices_do_not_meet(mistake):
    with pytest.raises(RuntimeError, match="device|indices"):
        mistake(on("cuda:1"))


@pytest.mark.parametrize("convert", [lambda x: x.numpy(), np.asarray, lambda x: x[None].T.numpy()])
def test_a_card_s_tensor_is_no_array(convert):
    with pytest.raises(TypeError, match="Tensor.cpu"):
        convert(on("cuda:1"))
    np.testing.assert_array_equal(convert(on("cuda:1").cpu()), 1)


def test_what_is_right_on_a_card_passes():
    card = on("cuda:1")
    found = [
        card * torch.tensor(2.0),
        card[torch.tensor([0, 1, 2])],
        torch.zeros_like(card),
        card.new_zeros(3),
        card[None].T,
        torch.rand(3, generator=torch.Generator("cuda:1").manual_seed(0), device=card.device),
        copy.deepcopy(card),
        torch.ones(3).to(card),
        torch.arange(3, device=card.device),
        card.detach().double(),
    ]
    assert all(
        each.device == torch.device("cuda:1") and each.is_cuda and not each.is_cpu for each in found
    )
    card[1:] = torch.zeros(2)
    card[torch.tensor([0])] = torch.tensor(5.0)
    assert card.tolist() == [5, 0, 0] and card.sum().item() == 5
    assert (
        torch.zeros(3).copy_(card).is_cpu
        and card.cpu().is_cpu
        and torch.tensor([card.sum()]).is_cpu
    )


def test_a_copy_of_a_device_is_not_the_original():
    here = torch.ones(3)
    there = here.to("cuda:1")
    there.zero_()
    assert here.tolist() == [1, 1, 1] and here.is_cpu and there.to("cuda:1") is there


def test_a_network_learns_on_a_card():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(24, 1))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    network.to("cuda:1")
    x, losses = torch.rand(8, 1, 8, device="cuda:1"), []
    for _ in range(20):
        loss = (network(x)[:, 0] - x.mean(dim=(1, 2))).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert {p.grad.device for p in network.parameters()} == {torch.device("cuda:1")}
    assert {
        t.device.type for s in optimizer.state.values() for k, t in s.items() if k != "step"
    } == {"cuda"}


def test_a_state_that_was_read_for_the_cpu_is_found_on_the_card():
    """What `load_state_dict` does for the parameters that it finds, it does not do when they move
    later.
    """

    def adam(network):
        optimizer = torch.optim.Adam(network.parameters())
        network(torch.ones(3, device=network.weight.device)).sum().backward()
        optimizer.step()
        return optimizer

    state = adam(nn.Linear(3, 1)).state_dict()
    network = nn.Linear(3, 1)
    early = torch.optim.Adam(network.parameters())
    early.load_state_dict(state)
    network.to("cuda:1")
    network(on("cuda:1")).sum().backward()
    with pytest.raises(RuntimeError, match="same device"):
        early.step()
    late = torch.optim.Adam(network.parameters())
    late.load_state_dict(state)
    late.step()


def test_mps_has_no_double_precision():
    with pytest.raises(TypeError, match="MPS"):
        on("mps").double()
    with pytest.raises(TypeError, match="MPS"):
        torch.zeros(3, dtype=torch.complex128).to("mps")
    assert on("mps").cpu().double().dtype == torch.float64


def test_autocast_of_a_card():
    with torch.autocast("cuda", torch.bfloat16):
        assert (on("cuda:1", 2, 2) @ on("cuda:1", 2, 2)).dtype == torch.bfloat16
