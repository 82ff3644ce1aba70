"""Devices by name: which of them a run uses, with one process and with several."""

from types import SimpleNamespace

import pytest
import torch
from torch import distributed as torch_distributed

from mars_lib.check import InputError
from mars_lib.cli import train
from mars_lib.io.devices import choose_device
from mars_lib.training import distributed, mlbp
from tests.card.networks import small


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "cuda:1", "mps"])
def test_a_run_is_on_the_device_that_is_named(name, device):
    assert choose_device(name) == name
    found = distributed.make_fabric(name, "32-true").device
    assert found == torch.zeros(1, device=name).device


def test_auto_is_the_first_card(device):
    assert choose_device("auto") == "cuda"
    assert distributed.make_fabric("auto", "32-true").device == torch.device("cuda:0")


@pytest.mark.parametrize(
    "name, says",
    [
        ("cuda:2", "cuda:2 is not there; use one from cuda:0 to cuda:1"),
        ("cuda:one", "use cpu, cuda"),
        ("cuda1", "use cpu, cuda"),
        ("mps:1", "use cpu, cuda"),
        ("toaster", "use cpu, cuda"),
    ],
)
def test_a_device_that_cannot_be_had_is_named(name, says, device):
    for start in (choose_device, lambda name: distributed.make_fabric(name, "32-true")):
        with pytest.raises(InputError, match=says):
            start(name)


def test_mps_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match="mps is not there"):
        choose_device("mps")


def test_several_processes_do_not_share_a_card(device, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="is cuda:1, of 2 processes; give cuda"):
        distributed.make_fabric("cuda:1", "32-true")


def test_parts_are_gathered_on_the_card_that_they_are_on(device, monkeypatch):
    """NCCL in the process of the second card: nothing goes to the first."""
    moved = []

    def all_gather(parts, own):
        moved.append(own.device)
        for part in parts:
            part.copy_(own)

    monkeypatch.setattr(distributed, "share", lambda: (1, 2))
    monkeypatch.setattr(torch_distributed, "get_backend", lambda: "nccl")
    monkeypatch.setattr(torch_distributed, "all_gather", all_gather)
    found = distributed.gather(torch.ones(2, device=device))
    assert (
        found.tolist() == [1] * 4
        and found.device == torch.device(device)
        and moved == [found.device]
    )
    # What is on the CPU goes over the process's present card and comes back.
    assert distributed.gather(torch.ones(2)).is_cpu and moved[1].type == "cuda"


def test_a_process_of_torchrun_has_a_card_of_its_own(monkeypatch):
    assert distributed.own_card("cuda") == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert [distributed.own_card(name) for name in ("cuda", "cpu", "mps")] == [
        "cuda:1",
        "cpu",
        "mps",
    ]


def test_a_fusion_that_does_not_ship_is_trained_on_the_card(device, monkeypatch):
    """ImageBind would run on the CPU for hours."""
    monkeypatch.setattr(mlbp, "train_mlbp", lambda encoder, music: encoder.log_temperature.device)
    asked = SimpleNamespace(
        encoder=small(), separator=SimpleNamespace(config=SimpleNamespace(encoder="imagebind"))
    )
    assert train.reward_encoder_of(asked, None, None, device) == (None, torch.device(device))
