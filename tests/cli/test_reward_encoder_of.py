"""Who hears in `mars train rl`, by its options."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from mars_lib import alignment
from mars_lib.check import InputError
from mars_lib.cli.train import reward_encoder_of
from mars_lib.config import small
from mars_lib.inference import pretrained
from mars_lib.io import checkpoint
from mars_lib.training.mlbp import mlbp_meta


def same(left, right) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(left.state_dict().values(), right.state_dict().values(), strict=True)
    )


@pytest.fixture(scope="module")
def first(minibind):
    """A system that is queried through the first encoder."""
    config = replace(small(), encoder="minibind")
    return SimpleNamespace(separator=SimpleNamespace(config=config), encoder=minibind)


def test_minibind_listens_with_the_heads_of_the_third_stage(first):
    reward_encoder, pooling = reward_encoder_of(first, None, None)
    assert same(reward_encoder, pretrained.load_minibind(heads="stage3")) and same(
        pooling, pretrained.load_mlbp(heads="stage3")
    )
    reward_encoder, pooling = reward_encoder_of(first, "one-stage", None)
    assert same(reward_encoder, pretrained.load_minibind(heads="one-stage")) and same(
        pooling, pretrained.load_mlbp(heads="one-stage")
    )


def test_none_leaves_the_ear_to_the_encoder_of_the_queries(first):
    reward_encoder, pooling = reward_encoder_of(first, "none", None)
    assert reward_encoder is None and same(pooling, pretrained.load_mlbp())


def test_minibind2_is_rewarded_by_the_encoder_of_its_queries(shipped):
    for heads in (None, "none", "stage3"):
        reward_encoder, pooling = reward_encoder_of(shipped, heads, None)
        assert reward_encoder is None
        assert same(pooling, pretrained.load_mlbp(heads="stage3", encoder="minibind2"))
    reward_encoder, pooling = reward_encoder_of(shipped, "one-stage", None)
    assert same(reward_encoder, pretrained.load_minibind2("one-stage"))
    assert same(pooling, pretrained.load_mlbp(heads="one-stage", encoder="minibind2"))


def test_heads_of_ones_own_stand_on_the_same_trunks(first, tmp_path):
    before = pretrained.load_minibind()
    pooling = pretrained.load_mlbp(heads="stage3")
    alignment.save_heads(pretrained.load_minibind(heads="stage3"), tmp_path / "mine.safetensors")
    checkpoint.save(tmp_path / "mine-mlbp.safetensors", pooling.state_dict(), mlbp_meta(pooling))
    reward_encoder, found = reward_encoder_of(first, str(tmp_path / "mine.safetensors"), None)
    assert reward_encoder.trunks is first.encoder.trunks
    assert same(reward_encoder, pretrained.load_minibind(heads="stage3")) and same(found, pooling)
    # Heads of a stage that no fusion fits do not get that of another.
    alignment.save_heads(pretrained.load_minibind(heads="stage1"), tmp_path / "stage1.safetensors")
    with pytest.raises(InputError, match="stage1-mlbp.safetensors: is not there"):
        reward_encoder_of(first, str(tmp_path / "stage1.safetensors"), None)
    # The encoder of the queries did not change.
    assert same(first.encoder, before)


def test_heads_that_are_nowhere(first, tmp_path):
    with pytest.raises(InputError, match="is not there"):
        reward_encoder_of(first, str(tmp_path / "stage9.safetensors"), None)


@pytest.mark.parametrize("name, weights, says", [
    ("clap", None, "give one of minibind, minibind2, imagebind, pe-av"),
    ("minibind", "some.pth", "not wanted by minibind"),
    ("pe-av", None, "give --weights PATH: the folder"),
])  # fmt: skip
def test_an_encoder_that_cannot_be_had(name, weights, says):
    with pytest.raises(InputError, match=says):
        pretrained.load_encoder(name, weights)
