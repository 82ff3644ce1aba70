import math

import pytest
import torch
from torch.nn import functional

from mars_lib import reward
from mars_lib.check import InputError
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.reward import MLBP, Target


def embed_audio(waveform):
    """A small encoder: mean and spread of three parts of the waveform, unit norm."""
    parts = waveform.unfold(-1, waveform.shape[-1] // 3, waveform.shape[-1] // 3)
    features = torch.cat([parts.mean(dim=-1), parts.std(dim=-1)], dim=-1)
    return functional.normalize(features, dim=-1)


@pytest.fixture
def waveform(generator):
    return torch.randn(4, 300, generator=generator)


@pytest.fixture
def target(generator, waveform):
    embeddings = {
        name: functional.normalize(torch.randn(4, 6, generator=generator), dim=-1)
        for name in ("audio", "text", "image")
    }
    return Target(waveform + 0.1 * torch.randn(4, 300, generator=generator), embeddings)


def without(target, *names):
    kept = {name: z for name, z in target.embeddings.items() if name not in names}
    return Target(target.reference, kept)


def test_cosine_by_hand():
    u = torch.tensor([[3.0, 4.0], [1.0, 0.0], [2.0, 0.0]])
    v = torch.tensor([[4.0, 3.0], [0.0, 7.0], [-1.0, 0.0]])
    assert torch.allclose(reward.cosine(u, v), torch.tensor([24 / 25, 0.0, -1.0]))


def test_cosine_ignores_scale_and_works_in_float32(generator):
    u, v = torch.randn(2, 5, 8, generator=generator)
    assert torch.allclose(reward.cosine(1e3 * u, 1e-3 * v), reward.cosine(u, v), atol=1e-6)
    assert torch.allclose(reward.cosine(u, u), torch.ones(5))
    with torch.autocast("cpu", torch.bfloat16):
        half = reward.cosine(u.bfloat16(), v)
    assert half.dtype == torch.float32 and torch.equal(half, reward.cosine(u.bfloat16().float(), v))


@pytest.mark.parametrize("modality", ["audio", "text", "image"])
def test_unimodal_rewards(modality, waveform, target):
    found = reward.unimodal(embed_audio, modality)(waveform, target)
    by_hand = (embed_audio(waveform) * target.embeddings[modality]).sum(dim=-1)
    assert found.shape == (4,) and torch.allclose(found, by_hand, atol=1e-6)


def test_the_mean_of_the_unimodal_rewards_that_there_are(waveform, target):
    mean = reward.mean_of_unimodal(embed_audio)
    one_by_one = [
        reward.unimodal(embed_audio, name)(waveform, target) for name in ("audio", "text", "image")
    ]
    assert torch.allclose(mean(waveform, target), sum(one_by_one) / 3, atol=1e-6)
    expected = (one_by_one[0] + one_by_one[2]) / 2
    assert torch.allclose(mean(waveform, without(target, "text")), expected, atol=1e-6)


def test_missing_modalities_are_clear_errors(waveform, target):
    with pytest.raises(InputError, match="modality: is 'smell'; give one of audio, text, image"):
        reward.unimodal(embed_audio, "smell")
    with pytest.raises(InputError, match="target: has no text"):
        reward.unimodal(embed_audio, "text")(waveform, without(target, "text"))
    with pytest.raises(InputError, match="target: has no modality"):
        reward.mean_of_unimodal(embed_audio)(waveform, Target(target.reference, {}))


def test_mlbp_by_hand():
    """Eq. 10-12 with D = 2 and d = 3, the numbers written out."""
    pooling = MLBP(2, rank=3)
    weights = {
        "audio": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]],
        "text": [[2.0, 0.0], [0.0, 3.0], [1.0, -1.0]],
        "image": [[1.0, 1.0], [1.0, 0.0], [0.0, 2.0]],
    }
    with torch.no_grad():
        for name, matrix in weights.items():
            pooling.project[name].weight.copy_(torch.tensor(matrix))
        pooling.out.weight.copy_(torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]]))
        pooling.out.bias.copy_(torch.tensor([0.5, -1.0]))
        z = {"audio": [[0.6, 0.8]], "text": [[1.0, 0.0]], "image": [[0.0, 1.0]]}
        z = {name: torch.tensor(row) for name, row in z.items()}
        # u_a = (0.6, 0.8, 1.4), u_t = (2, 0, 1), u_v = (1, 0, 2): their product is (1.2, 0, 2.8).
        all_three = torch.tensor([[1.2 + 2 * 2.8 + 0.5, 2.8 - 1.0]])
        assert torch.allclose(pooling(z), all_three / all_three.norm())
        # Without the image its factor is left out: (1.2, 0, 1.4).
        no_image = torch.tensor([[1.2 + 2 * 1.4 + 0.5, 1.4 - 1.0]])
        assert torch.allclose(
            pooling({k: z[k] for k in ("audio", "text")}), no_image / no_image.norm()
        )


def test_mlbp_is_bias_free_before_and_biased_after_of_unit_norm(generator):
    pooling = MLBP(6, rank=5)
    assert all(
        layer.bias is None and layer.weight.shape == (5, 6) for layer in pooling.project.values()
    )
    assert pooling.out.bias is not None and pooling.out.weight.shape == (6, 5)
    z = {name: torch.randn(3, 6, generator=generator) for name in ("text", "audio", "image")}
    fused = pooling(z)
    assert torch.allclose(fused.norm(dim=-1), torch.ones(3))
    # A product has no order.
    assert torch.allclose(fused, pooling(dict(reversed(z.items()))), atol=1e-6)
    fused.sum().backward()
    assert all(parameter.grad is not None for parameter in pooling.parameters())


@pytest.mark.parametrize("embeddings", [{}, {"smell": torch.zeros(1, 6)}])
def test_mlbp_refuses_what_it_does_not_know(embeddings):
    with pytest.raises(InputError, match="give some of audio, text, image"):
        MLBP(6)(embeddings)


def test_the_fused_reward_compares_the_bare_estimate_with_the_anchor(waveform, target):
    pooling = MLBP(6, rank=5)
    waveform.requires_grad_()
    found = reward.fused(embed_audio, pooling)(waveform, target)
    expected = (embed_audio(waveform) * pooling(target.embeddings)).sum(dim=-1)
    assert torch.allclose(found, expected, atol=1e-6)
    found.sum().backward()
    assert waveform.grad.abs().sum() > 0
    # The anchor is data: the reward must not train its own target.
    assert all(parameter.grad is None for parameter in pooling.parameters())


@pytest.mark.parametrize("scale", [1e-4, 1.0, 10.0])
def test_signal_fidelity_is_si_sdr_within_its_range(scale, generator):
    reference = torch.randn(8, 4_000, generator=generator)
    noise = torch.randn(8, 4_000, generator=generator)
    levels = torch.tensor([-28.0, -20.0, -10.0, 0.0, 5.0, 10.0, 20.0, 28.0])
    estimate = reference + 0.1 + 10 ** (-levels[:, None] / 20) * noise
    found = reward.signal_fidelity(scale * estimate, Target(scale * reference, {}))
    exact = si_sdr(estimate=estimate, reference=reference).float()
    inside = exact.abs() < 29.5
    assert inside.sum() >= 7 and (found - exact).abs()[inside].max() < 1e-3


def test_signal_fidelity_is_held_to_30_decibels_and_silence_is_worst():
    reference = torch.sin(torch.arange(1_000) / 7).repeat(3, 1)
    estimate = torch.stack([reference[0], torch.cos(torch.arange(1_000) / 7), torch.zeros(1_000)])
    estimate.requires_grad_()
    found = reward.signal_fidelity(estimate, Target(reference, {}))
    assert found.tolist() == pytest.approx([30.0, -30.0, -30.0])
    found.sum().backward()
    assert torch.isfinite(estimate.grad).all()


def test_signal_fidelity_is_differentiable(waveform, target):
    waveform.requires_grad_()
    before = reward.signal_fidelity(waveform, target)
    before.sum().backward()
    after = reward.signal_fidelity(waveform.detach() + 0.01 * waveform.grad, target)
    assert (after > before).all()


def test_a_signal_term_is_added_with_its_weight(waveform, target):
    semantic = reward.unimodal(embed_audio, "text")
    found = reward.with_signal(semantic, 0.03)(waveform, target)
    expected = semantic(waveform, target) + 0.03 * reward.signal_fidelity(waveform, target)
    assert torch.allclose(found, expected)
    decibels = (found - semantic(waveform, target)) / 0.03
    # The references carry noise of a tenth: 20 dB.
    assert decibels.mean().item() == pytest.approx(20 * math.log10(10), abs=1.0)
