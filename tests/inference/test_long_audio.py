import pytest
import torch

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.inference import long_audio
from mars_lib.inference.long_audio import Segments
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


@pytest.mark.parametrize("length", [600, 32_766, 131_064, 131_065, 300_001, 1_000_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("overlap", [0.25, 0.4, 0.5, 0.6, 0.75])
def test_overlap_add_has_no_seams(tiny, identity, length, channels, overlap):
    mixture = torch.randn(channels, length)
    queries = torch.tensor([[1.0, 0.0], [0.5, 0.0]])
    out = long_audio.separate_long(tiny, mixture, queries, Segments(3, overlap))
    assert out.shape == (2, channels, length)
    assert (out[0] - mixture).abs().max() < 1e-5
    assert (out[1] - 0.5 * mixture).abs().max() < 1e-5


def test_blocks_of_any_size_give_what_one_block_gives(tiny, identity):
    mixture, queries = torch.randn(1, 600_000), torch.ones(1, 2)
    blocks = mixture.split([1, 160_000, 9, 280_000, 159_990], dim=-1)
    pieces = list(long_audio.separate_blocks(tiny, blocks, queries, Segments(2)))
    assert torch.allclose(torch.cat(pieces, dim=-1)[0], mixture, atol=1e-5)
    assert max(piece.shape[-1] for piece in pieces) <= 4 * 32_766


def test_many_channels_do_not_go_through_the_network_at_once(tiny, monkeypatch):
    sizes = []

    def separate(separator, mixture, query):
        sizes.append(len(mixture))
        return mixture[:, None] * query[..., :1]

    monkeypatch.setattr(long_audio, "separate", separate)
    mixture = torch.randn(50, 20_000)
    out = long_audio.separate_long(tiny, mixture, torch.ones(1, 2), Segments(4))
    assert torch.allclose(out[0], mixture, atol=1e-5) and max(sizes) <= 4


def test_no_blocks_give_no_estimates(tiny):
    assert list(long_audio.separate_blocks(tiny, [], torch.ones(1, 256))) == []


def test_channels_do_not_mix(tiny):
    torch.manual_seed(1)
    mixture, query = torch.randn(2, 160_000), torch.randn(1, 256)
    both = long_audio.separate_long(tiny, mixture, query)
    alone = long_audio.separate_long(tiny, mixture[1:], query)
    assert torch.allclose(both[:, 1:], alone, atol=1e-4)


@pytest.mark.parametrize("length", [1, 3, 131_064, 4_000_000])
def test_a_window_is_nowhere_zero_and_even(length):
    window = long_audio.window(length)
    assert window.min() > 0 and window.max() <= 1
    torch.testing.assert_close(window, window.flip(0), atol=1e-6, rtol=0)


def test_a_sound_no_longer_than_a_segment_is_separated_as_it_is(tiny):
    """Not beside silence, in which a network that was trained on music has never been."""
    mixture, query = 0.1 * torch.randn(1, 131_064), torch.randn(1, 256)
    out = long_audio.separate_long(tiny, mixture, query)
    whole = long_audio.separate(tiny, mixture, query[None])
    torch.testing.assert_close(out[0], whole[:, 0], atol=1e-5, rtol=0)


def test_no_segment_is_padded(tiny, monkeypatch):
    shapes = []

    def separate(separator, mixture, query):
        shapes.append(mixture.shape[-1])
        assert mixture.abs().min() > 0
        return mixture[:, None] * query[..., :1]

    monkeypatch.setattr(long_audio, "separate", separate)
    long_audio.separate_long(tiny, torch.rand(1, 400_000) + 0.1, torch.ones(1, 2))
    assert max(shapes) == 131_064 and min(shapes) > 131_064 // 2


def test_more_overlap_takes_more_segments_and_less_takes_fewer(tiny, monkeypatch):
    counts = []

    def separate(separator, mixture, query):
        counts[-1] += len(mixture)
        return mixture[:, None] * query[..., :1]

    monkeypatch.setattr(long_audio, "separate", separate)
    for overlap in (0.25, 0.5, 0.75):
        counts.append(0)
        long_audio.separate_long(
            tiny, torch.randn(1, 1_200_000), torch.ones(1, 2), Segments(overlap=overlap)
        )
    assert counts[0] < counts[1] < counts[2] <= 2 * counts[1] + 3


def test_the_batch_size_does_not_change_an_estimate(tiny):
    mixture, query = 0.1 * torch.randn(2, 480_000), torch.randn(1, 256)
    one, many = (long_audio.separate_long(tiny, mixture, query, Segments(n)) for n in (1, 64))
    assert torch.allclose(one, many, atol=1e-5)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16-mixed", torch.bfloat16), ("16-mixed", torch.float16)]
)
def test_precision_is_that_of_the_network(tiny, monkeypatch, precision, dtype):
    monkeypatch.setattr(long_audio.devices, "multiplies_bfloat16", lambda _: True)
    mixture, query = 0.1 * torch.randn(1, 40_000), torch.randn(1, 256)
    seen, inner = [], tiny.unet.levels.inside.forward
    monkeypatch.setattr(
        tiny.unet.levels.inside, "forward", lambda x: seen.append(inner(x)) or seen[-1]
    )
    whole = long_audio.separate_long(tiny, mixture, query)
    half = long_audio.separate_long(tiny, mixture, query, Segments(precision=precision))
    assert (seen[0].dtype, seen[-1].dtype, half.dtype) == (torch.float32, dtype, torch.float32)
    assert torch.allclose(half, whole, atol=0.02) and not torch.equal(half, whole)


def test_an_emulated_bfloat16_is_left_to_float32(tiny, monkeypatch):
    monkeypatch.setattr(long_audio.devices, "multiplies_bfloat16", lambda _: False)
    mixture, query = 0.1 * torch.randn(1, 40_000), torch.randn(1, 256)
    half = long_audio.separate_long(tiny, mixture, query, Segments(precision="bf16-mixed"))
    assert torch.equal(half, long_audio.separate_long(tiny, mixture, query))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"batch_size": 0}, "batch size: is 0"),
        ({"batch_size": 2.0}, "batch size: is 2.0"),
        ({"overlap": 0.2}, "overlap: is 0.2; give a number from 0.25 to 0.75"),
        ({"overlap": float("nan")}, "overlap: is nan"),
        ({"precision": "half"}, "precision: is 'half'; give one of 32-true"),
    ],
)
def test_segments_that_cannot_be(wrong, problem):
    with pytest.raises(InputError, match=problem):
        Segments(**wrong)
