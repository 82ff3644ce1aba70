import pytest
import torch

from mars_lib import config
from mars_lib.inference import long_audio
from mars_lib.separator import Separator


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return Separator(config.smoke()).eval()


@pytest.fixture
def identity(monkeypatch):
    """A separator whose estimate for each query is the mixture times the query's first number."""

    def separate(separator, mixture, query):
        return mixture[:, None] * query[..., :1]

    monkeypatch.setattr(long_audio, "separate", separate)


@pytest.mark.parametrize("length", [600, 16_383, 32_766, 32_767, 100_001, 500_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_overlap_add_has_no_seams(tiny, identity, length, channels):
    mixture = torch.randn(channels, length)
    queries = torch.tensor([[1.0, 0.0], [0.5, 0.0]])
    out = long_audio.separate_long(tiny, mixture, queries, batch_size=3)
    assert out.shape == (2, channels, length)
    assert (out[0] - mixture).abs().max() < 1e-5
    assert (out[1] - 0.5 * mixture).abs().max() < 1e-5


def test_blocks_of_any_size_give_what_one_block_gives(tiny, identity):
    mixture, queries = torch.randn(1, 150_000), torch.ones(1, 2)
    blocks = mixture.split([1, 40_000, 9, 70_000, 39_990], dim=-1)
    pieces = list(long_audio.separate_blocks(tiny, blocks, queries, batch_size=2))
    assert torch.allclose(torch.cat(pieces, dim=-1)[0], mixture, atol=1e-5)
    assert max(piece.shape[-1] for piece in pieces) <= 3 * 32_766


def test_many_channels_do_not_go_through_the_network_at_once(tiny, monkeypatch):
    sizes = []

    def separate(separator, mixture, query):
        sizes.append(len(mixture))
        return mixture[:, None] * query[..., :1]

    monkeypatch.setattr(long_audio, "separate", separate)
    mixture = torch.randn(50, 20_000)
    out = long_audio.separate_long(tiny, mixture, torch.ones(1, 2), batch_size=4)
    assert torch.allclose(out[0], mixture, atol=1e-5) and max(sizes) <= 8


def test_no_blocks_give_no_estimates(tiny):
    assert list(long_audio.separate_blocks(tiny, [], torch.ones(1, 256))) == []


def test_channels_do_not_mix(tiny):
    torch.manual_seed(1)
    mixture, query = torch.randn(2, 40_000), torch.randn(1, 256)
    both = long_audio.separate_long(tiny, mixture, query)
    alone = long_audio.separate_long(tiny, mixture[1:], query)
    assert torch.allclose(both[:, 1:], alone, atol=1e-4)
