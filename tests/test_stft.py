import numpy as np
import pytest
import scipy.signal
import torch

from mars_lib import config, stft
from mars_lib.check import InputError


@pytest.mark.parametrize("length", [513, 1_000, 32_767, 65_535, 65_536, 70_001])
def test_round_trip_is_exact_and_keeps_the_length(length, signal, generator):
    wave = torch.randn(2, length, generator=generator)
    back = stft.istft(stft.stft(wave, signal), signal, length)
    assert back.shape == wave.shape
    assert (back - wave).abs().max() < 1e-5


def test_the_papers_sizes():
    signal = config.paper().signal
    assert stft.stft(torch.zeros(3, signal.length), signal).shape == (3, 513, 256)
    assert signal.n_frames == 256


def test_agrees_with_scipy(signal, generator):
    wave = torch.randn(8_192, generator=generator)
    padded = np.pad(wave.double().numpy(), 512, mode="reflect")
    window = scipy.signal.get_window("hann", 1024)
    frames = np.stack([padded[i : i + 1024] * window for i in range(0, 8_193, 256)])
    expected = np.fft.rfft(frames).T
    assert np.abs(stft.stft(wave, signal).numpy() - expected).max() < 1e-3


def test_too_short_and_wrong_shapes(signal):
    with pytest.raises(InputError, match="half an STFT window"):
        stft.stft(torch.zeros(512), signal)
    with pytest.raises(InputError, match=r"\(\.\.\., F=513, T\)"):
        stft.istft(torch.zeros(256, 4, dtype=torch.complex64), signal, 1_000)


@pytest.mark.parametrize("n_bins", [32, 128, 256])
def test_warp_keeps_constants_and_range(n_bins, generator):
    from dataclasses import replace

    warp = stft.LogFrequencyWarp(replace(config.small().signal, n_bins=n_bins))
    assert torch.allclose(warp.warp(torch.ones(513, 4)), torch.ones(n_bins, 4), atol=1e-5)
    assert torch.allclose(warp.unwarp(torch.ones(n_bins, 4)), torch.ones(513, 4), atol=1e-5)
    mask = torch.rand(2, n_bins, 5, generator=generator)
    linear = warp.unwarp(mask)
    assert linear.shape == (2, 513, 5) and 0 <= linear.min() and linear.max() <= 1


def test_shared_energy_keeps_its_sum_and_its_place(signal, generator):
    warp = stft.LogFrequencyWarp(signal)
    energy = torch.rand(2, 513, 4, generator=generator)
    shared = warp.share(energy)
    assert shared.shape == (2, signal.n_bins, 4) and (shared >= 0).all()
    assert torch.allclose(shared.sum(dim=1), energy.sum(dim=1), rtol=1e-4)
    # A mask and the energy under it are read by the same weights.
    mask = torch.rand(signal.n_bins, 4, generator=generator)
    through = (warp.unwarp(mask) * energy).sum(dim=(-2, -1))
    assert torch.allclose((mask * shared).sum(dim=(-2, -1)), through, rtol=1e-4)


def test_warp_and_back_keep_a_smooth_mask(signal):
    warp = stft.LogFrequencyWarp(signal)
    smooth = torch.sigmoid(torch.linspace(-4, 4, 513))[:, None]
    assert (warp.unwarp(warp.warp(smooth)) - smooth).abs().max() < 0.01


def test_no_linear_bin_is_overlooked(signal):
    # Point sampling would skip bins at the top, where rows are far apart.
    warp = stft.LogFrequencyWarp(signal)
    assert (warp.to_log.sum(dim=0) > 0).all()


def test_the_warp_is_float32_under_autocast(signal, generator):
    lens = stft.LogFrequencyWarp(signal)
    magnitude = torch.rand(2, 513, 16, generator=generator)
    log = lens.warp(magnitude)
    linear = lens.unwarp(log)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(lens.warp(magnitude), log)
        assert torch.equal(lens.unwarp(log), linear)
