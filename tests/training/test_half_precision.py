"""What reaches a network is not rounded before it: in half precision each operation rounds what it
must.
"""

from dataclasses import replace

import pytest
import torch

from mars_lib import config
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.separator import QueryGate
from mars_lib.training import distributed
from mars_lib.training.method import OMNISEP


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("method", [OMNISEP, CLIPSEP_NIT, AUDIOSEP], ids=lambda method: method.kind)
def test_a_wrapped_network_sees_its_inputs_as_they_are(monkeypatch, method, precision):
    monkeypatch.setattr("mars_lib.io.devices.multiplies_bfloat16", lambda device_type: True)
    smoke = config.smoke()
    network = method.build(replace(smoke, signal=replace(smoke.signal, length=8_191))).eval()
    fabric = distributed.make_fabric("cpu", precision)
    wrapped = fabric.setup(network)
    generator = torch.Generator().manual_seed(0)
    shape = (2, 8_191) if method is AUDIOSEP else (2, smoke.signal.n_bins, 32)
    mixture = torch.rand(shape, generator=generator)
    query = torch.randn(2, *(() if method is AUDIOSEP else (2,)), 256, generator=generator)
    seen = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    with fabric.autocast():
        through = wrapped(mixture, query)
        plain = network(mixture, query)
    assert all(torch.equal(a, b) for a, b in zip(seen[0], (mixture, query)))
    assert torch.equal(through, plain)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_gate_sums_in_float32(dtype):
    gate = QueryGate(256, 32)
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 32, 64, 64, generator=generator).to(dtype)
    query = torch.randn(1, 2, 256, generator=generator)
    with torch.autocast("cpu", dtype):
        proposal = gate(maps, query)
    exact = gate.double()(maps.double(), query.double())
    assert proposal.dtype == torch.float32 and (proposal - exact).abs().max() < 1e-5
