from dataclasses import replace

import pytest
import torch

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.separator import Separator, UNet, separate


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return Separator(config.smoke()).eval()


def test_the_papers_parameter_counts():
    # Numbers of the public code: U-Net 30,274,210; with Linear(1024, 32), 32 scales and a bias
    # 30,307,043.
    separator = Separator(config.paper())
    assert sum(p.numel() for p in separator.unet.parameters()) == 30_274_210
    learned = sum(p.numel() for p in [*separator.unet.parameters(), *separator.gate.parameters()])
    assert learned == 30_307_043


def test_bottleneck_of_the_papers_input_is_2_by_2():
    unet, seen = UNet(7, 32, 4).eval(), []
    innermost = unet.levels
    while hasattr(innermost, "inside"):
        innermost = innermost.inside
    innermost.down.register_forward_hook(lambda module, x, y: seen.append(y.shape[-2:]))
    assert unet(torch.zeros(1, 1, 256, 256)).shape == (1, 32, 256, 256)
    assert seen == [(2, 2)]


def test_proposals_lie_in_0_1_for_any_size(tiny, generator):
    magnitude = 10 * torch.rand(2, 128, 37, generator=generator)
    proposal = tiny(magnitude, torch.randn(2, 3, 256, generator=generator))
    assert proposal.shape == (2, 3, 128, 37) and proposal.dtype == torch.float32
    assert 0 <= proposal.min() and proposal.max() <= 1


@pytest.mark.parametrize("shape", [(128, 128), (100, 37)])
def test_proposals_are_what_the_gate_makes_of_the_maps(generator, shape):
    separator = Separator(config.smoke()).double()
    magnitude = torch.rand(2, *shape, generator=generator).double()
    query = torch.randn(2, 3, 256, generator=generator).double()
    by_maps = separator.gate(separator.maps(magnitude), query)
    weight = torch.rand(by_maps.shape, generator=generator)
    parameters = list(separator.parameters())
    expected = torch.autograd.grad((weight * by_maps).sum(), parameters)
    proposal = separator(magnitude, query)
    found = torch.autograd.grad((weight * proposal).sum(), parameters)
    assert torch.allclose(proposal, by_maps, rtol=0, atol=1e-12)
    for a, b in zip(found, expected):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10)


def test_sources_permute_with_their_queries_and_share_one_pass(tiny, generator):
    mixture = torch.randn(1, 8_000, generator=generator)
    queries = torch.randn(1, 3, 256, generator=generator)
    calls = []
    handle = tiny.unet.norm.register_forward_hook(lambda *_: calls.append(1))
    estimates = separate(tiny, mixture, queries)
    handle.remove()
    assert len(calls) == 1 and estimates.shape == (1, 3, 8_000)
    swapped = separate(tiny, mixture, queries.flip(1))
    assert torch.allclose(estimates.flip(1), swapped, atol=1e-5)


@pytest.mark.parametrize("gain", [1e-4, 0.1, 30.0])
def test_estimates_scale_with_the_mixture(tiny, generator, gain):
    mixture = torch.randn(1, 8_000, generator=generator)
    query = torch.randn(1, 1, 256, generator=generator)
    louder = separate(tiny, gain * mixture, query)
    assert torch.allclose(louder / gain, separate(tiny, mixture, query), atol=1e-4)


def test_silence_gives_silence(tiny):
    estimate = separate(tiny, torch.zeros(1, 4_000), torch.randn(1, 1, 256))
    assert torch.isfinite(estimate).all() and estimate.abs().max() == 0


def test_a_query_of_another_encoder_is_refused(tiny):
    with pytest.raises(InputError, match="D=256"):
        separate(tiny, torch.randn(1, 4_000), torch.randn(1, 1, 1024))
    with pytest.raises(InputError, match="mixture"):
        separate(tiny, torch.randn(4_000), torch.randn(1, 1, 256))


def test_gradients_reach_every_parameter(tiny, generator):
    magnitude = torch.rand(2, 128, 128, generator=generator)
    tiny(magnitude, torch.randn(2, 1, 256, generator=generator)).mean().backward()
    without = [name for name, p in tiny.named_parameters() if p.grad is None]
    tiny.zero_grad(set_to_none=True)
    assert without == []


def test_configurations_survive_json_and_unknown_fields_do_not():
    values = config.to_dict(config.small())
    assert config.from_dict(values) == config.small()
    with pytest.raises(InputError, match="does not fit"):
        config.from_dict({**values, "signal": {**values["signal"], "colour": "red"}})
    with pytest.raises(InputError, match="smoke, cpu, gpu or paper"):
        config.profile("laptop")
    assert config.profile("gpu").separator == replace(config.paper().separator, embedding_size=256)
