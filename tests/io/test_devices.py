"""bfloat16 where the hardware multiplies in it, float32 where it would only be emulated."""

import pytest
import torch

from mars_lib.io import devices
from mars_lib.training import distributed


@pytest.mark.parametrize("fast, expected", [(True, torch.bfloat16), (False, torch.float32)])
def test_a_run_computes_in_what_the_processor_multiplies(monkeypatch, fast, expected):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda device_type: fast)
    fabric = distributed.make_fabric("cpu", "bf16-mixed")
    with fabric.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected


def test_a_precision_that_is_no_bfloat16_stays(monkeypatch):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda device_type: False)
    assert [devices.used(p, "cuda") for p in ("32-true", "16-mixed")] == ["32-true", "16-mixed"]


def test_this_processor_is_known():
    assert devices.multiplies_bfloat16("cpu") in (True, False)
