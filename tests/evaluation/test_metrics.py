import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from mars_lib.check import InputError
from mars_lib.evaluation import metrics, scoring
from mars_lib.evaluation.museval_reference import museval_bss_eval
from tests.evaluation.noise import coloured


@pytest.mark.parametrize("decibels", [-20.0, 0.0, 3.0, 40.0])
@pytest.mark.parametrize("gain", [1e-3, 1.0, -7.0])
def test_si_sdr_in_closed_form(decibels, gain):
    reference = torch.tensor([1.0, -1.0, 1.0, -1.0]).repeat(100)
    noise = torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(100)
    estimate = gain * (reference + 10 ** (-decibels / 20) * noise)
    value = metrics.si_sdr(estimate=estimate, reference=reference)
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(decibels, abs=1e-4)


def test_si_sdr_ignores_offset_and_cuts_to_the_common_length():
    reference, estimate = coloured(0), coloured(1)
    a = metrics.si_sdr(estimate=estimate, reference=reference)
    b = metrics.si_sdr(estimate=estimate + 3.0, reference=reference - 1.0)
    c = metrics.si_sdr(estimate=torch.cat([estimate, torch.ones(50)]), reference=reference)
    assert torch.isclose(a, b) and torch.isclose(a, c)
    assert metrics.si_sdr(estimate=reference, reference=reference) > 250


def test_agrees_with_museval_within_a_hundredth_of_a_decibel():
    reference = coloured(2, 3, 2)
    estimate = reference + 0.3 * reference.flip(1) + 0.1 * coloured(3, 3, 2)
    # A clean estimate is where solvers lose their digits.
    estimate[0] = reference[0] + 1e-3 * coloured(4, 2)
    for b in range(3):
        ours = metrics.bss_eval(estimate=estimate[b], reference=reference[b])
        theirs = museval_bss_eval(estimate=estimate[b].numpy(), reference=reference[b].numpy())
        for mine, his in zip((ours.sdr, ours.sir, ours.sar), theirs):
            assert np.abs(mine.numpy() - his).max() < 0.01


def test_agrees_with_museval_where_it_says_anything_and_is_infinite_beyond():
    """Perfect estimates, parts 20 to 200 dB down, sources that never overlap, pure tones (a
    singular problem).
    """
    reference = coloured(15, 2)
    other, noise = reference.flip(0), coloured(16, 2)
    pairs = [
        (reference + level * (other + noise), reference)
        for level in (1e-1, 1e-3, 1e-5, 1e-7, 1e-10)
    ]
    apart = reference.clone()
    apart[0, 4_000:], apart[1, :8_000] = 0, 0
    tones = torch.sin(torch.tensor([[0.17], [0.39]], dtype=torch.float64) * torch.arange(12_000))
    pairs += [
        (reference, reference),
        (other, reference),
        (apart, apart),
        (apart + 1e-7 * apart * noise, apart),
    ]
    pairs += [(tones + 0.3 * tones.flip(0) + 1e-4 * noise, tones)]
    finite = 0
    for estimate, truth in pairs:
        ours = metrics.bss_eval(estimate=estimate, reference=truth)
        theirs = museval_bss_eval(estimate=estimate.numpy(), reference=truth.numpy())
        for mine, his in zip((ours.sir.numpy(), ours.sar.numpy()), theirs[1:]):
            shown = np.isfinite(mine)
            assert np.abs(mine[shown] - his[shown]).max(initial=0) < 0.01
            # museval has a number there, of its own rounding.
            assert (np.abs(his[~shown]) > 180).all()
            finite += shown.sum()
    assert finite >= 24


class OnCard(torch.Tensor):
    """A tensor that has to be brought to the CPU before NumPy sees it, as those of a GPU have."""

    def numpy(self, **options):
        raise TypeError("can't convert cuda tensor to numpy")

    def __array__(self, dtype=None):
        raise TypeError("can't convert cuda tensor to numpy")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


def test_sounds_may_lie_on_a_card_or_carry_a_gradient():
    reference = coloured(18, 1, 2)
    mixture, estimate = reference.sum(dim=1), (reference + 0.1 * reference.flip(1)).flip(1)
    expected = scoring.score({"a": estimate}, reference, mixture)
    there = [x.clone().as_subclass(OnCard) for x in (estimate, reference, mixture)]
    assert scoring.score({"a": there[0]}, there[1], there[2]) == expected
    estimate.requires_grad_()
    assert scoring.score({"a": estimate}, reference, mixture) == expected


@pytest.mark.parametrize("length", [40, 512, 3_585, 3_586, 9_000])
def test_projections_are_those_of_least_squares_whatever_the_blocks(length):
    rng = np.random.default_rng(length)
    reference, estimate = rng.standard_normal((2, 2, length))
    taps = 16
    found = metrics.bss_eval(
        estimate=torch.from_numpy(estimate), reference=torch.from_numpy(reference), taps=taps
    )
    shifts = np.zeros((2, taps, length + taps - 1))
    for k in range(2):
        for d in range(taps):
            shifts[k, d, d : d + length] = reference[k]
    for n in range(2):
        padded = np.pad(estimate[n], (0, taps - 1))
        own, whole = (
            basis.T @ np.linalg.lstsq(basis.T, padded, rcond=None)[0]
            for basis in (shifts[n], shifts.reshape(-1, length + taps - 1))
        )
        sir = 10 * np.log10(np.sum(own**2) / np.sum((whole - own) ** 2))
        sar = 10 * np.log10(np.sum(whole**2) / np.sum((padded - whole) ** 2))
        assert found.sir[n].item() == pytest.approx(sir, abs=1e-6) and found.sar[
            n
        ].item() == pytest.approx(sar, abs=1e-6)


def test_systems_scored_together_are_scored_as_alone():
    reference = coloured(13, 2)
    systems = reference + 0.2 * coloured(14, 3, 2)
    together = metrics.bss_eval(estimate=systems, reference=reference)
    alone = metrics.bss_eval(estimate=systems[1], reference=reference)
    assert torch.allclose(together.sir[1], alone.sir) and together.sar.shape == (3, 2)


def test_musevals_sdr_is_the_snr():
    reference, estimate = coloured(5, 2), coloured(6, 2)
    sdr, _, _ = museval_bss_eval(estimate=estimate.numpy(), reference=reference.numpy())
    snr = metrics.snr(estimate=estimate, reference=reference)
    assert np.allclose(snr.numpy(), sdr, atol=1e-8)


def test_museval_loads_without_ffmpeg():
    code = (
        "import sys\n"
        "from mars_lib.evaluation.museval_reference import museval_bss_eval\n"
        "import numpy as np\n"
        "x = np.random.default_rng(0).standard_normal((2, 4000))\n"
        "museval_bss_eval(estimate=x + 1, reference=x)\n"
        "assert 'musdb' not in sys.modules and 'stempeg' not in sys.modules\n"
    )
    environment = {**os.environ, "PATH": ""}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_improvement_matches_sources_by_hungarian():
    reference = coloured(7, 3)
    mixture = reference.sum(dim=0)
    estimate = reference[[2, 0, 1]] + 0.1 * mixture
    found = metrics.si_sdr_improvement(estimate=estimate, reference=reference, mixture=mixture)
    assert found.permutation == [1, 2, 0]
    straight = metrics.si_sdr_improvement(
        estimate=estimate[[1, 2, 0]], reference=reference, mixture=mixture, permute=False
    )
    assert found.mean == pytest.approx(straight.mean) and found.mean > 10
    wrong = metrics.si_sdr_improvement(
        estimate=estimate, reference=reference, mixture=mixture, permute=False
    )
    assert wrong.mean < 0


def test_improvement_by_hand():
    reference = torch.eye(2).repeat_interleave(200, dim=1) * torch.randn(400)
    reference -= reference.mean(dim=1, keepdim=True)
    mixture = reference.sum(dim=0)
    found = metrics.si_sdr_improvement(
        estimate=reference * 0.9 + 0.1 * mixture, reference=reference, mixture=mixture
    )
    by_hand = [
        (metrics.si_sdr(estimate=e, reference=r) - metrics.si_sdr(estimate=mixture, reference=r))
        for e, r in zip(reference * 0.9 + 0.1 * mixture, reference)
    ]
    assert found.mean == pytest.approx(float(sum(by_hand) / 2))


def test_silence_and_shapes_are_refused_by_bss_eval():
    with pytest.raises(InputError, match="silent"):
        metrics.bss_eval(estimate=torch.zeros(2, 4_000), reference=coloured(12, 2))
    with pytest.raises(InputError, match="estimate"):
        metrics.bss_eval(estimate=torch.zeros(1, 4_000), reference=coloured(12, 2))
