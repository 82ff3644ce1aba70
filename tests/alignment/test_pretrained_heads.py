"""The pretrained aligned heads: they load, they fit their encoder, sounds are near their words."""

import pytest
import torch

from mars_lib.check import InputError
from mars_lib.data import manifests
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.inference import pretrained


@pytest.fixture(scope="module")
def clips():
    """Two test clips of every class, and the classes' names."""
    music = manifests.music()
    waves = [
        torch.from_numpy(music.clip("test", sound, i))
        for sound in sound_classes()
        for i in range(2)
    ]
    return torch.stack(waves), [sound.name for sound in sound_classes()]


def found(encoder, clips):
    """Share of clips whose nearest word is their own."""
    waves, names = clips
    nearest = (encoder.embed_audio(waves) @ encoder.embed_text(names).T).argmax(dim=1)
    return (nearest == torch.arange(len(names)).repeat_interleave(2)).float().mean().item()


@pytest.mark.parametrize("heads", pretrained.ALIGNED)
@pytest.mark.parametrize("name", pretrained.PACKAGED)
def test_aligned_heads_bring_sounds_to_their_words(clips, name, heads):
    aligned, before = (pretrained.load_packaged(name, each) for each in (heads, None))
    assert found(aligned, clips) >= 0.7 > 0.5 > found(before, clips)


@pytest.mark.parametrize("encoder", pretrained.PACKAGED)
def test_stages_keep_the_heads_that_they_do_not_train(encoder):
    heads = {name: pretrained.load_packaged(encoder, name).heads for name in pretrained.ALIGNED}
    heads["before"] = pretrained.load_packaged(encoder).heads

    def same(a, b, modality):
        return torch.equal(heads[a][modality].weight, heads[b][modality].weight)

    assert same("before", "stage1", "image") and not same("before", "stage1", "audio")
    assert same("stage1", "stage2", "text") and same("stage1", "stage2", "image")
    assert same("stage2", "stage3", "text") and not same("stage2", "stage3", "image")


@pytest.mark.parametrize("name, heads", [
    ("minibind", None),
    *((name, heads) for name in pretrained.PACKAGED for heads in ("stage3", "one-stage")),
])  # fmt: skip
def test_the_fusion_fits_its_heads(clips, name, heads):
    waves, names = clips
    encoder = pretrained.load_packaged(name, heads)
    pooling = pretrained.load_mlbp(heads=heads, encoder=name)
    anchors = pooling({"audio": encoder.embed_audio(waves[::2]), "text": encoder.embed_text(names)})
    nearest = (anchors @ encoder.embed_audio(waves[1::2]).T).argmax(dim=1)
    assert (nearest == torch.arange(len(names))).float().mean() >= 0.7


def test_queries_are_embedded_by_the_heads_of_stage_3_and_alignment_begins_before():
    def same(a, b):
        return all(torch.equal(a.heads[m].weight, b.heads[m].weight) for m in a.heads)

    assert same(pretrained.load_encoder("minibind2"), pretrained.load_minibind2("stage3"))
    by_family = pretrained.load_encoder("minibind2", aligned=False)
    assert same(by_family, pretrained.load_minibind2())
    assert not same(by_family, pretrained.load_minibind2("stage3"))


def test_unknown_heads():
    with pytest.raises(InputError, match="give one of stage1"):
        pretrained.load_minibind(heads="stage7")
    with pytest.raises(InputError, match="have no fusion"):
        pretrained.load_mlbp(heads="stage1")
