import pytest
import torch

from mars_lib.check import InputError
from mars_lib.data import manifests, pictures
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders.minibind import MiniBind


@pytest.fixture(scope="module")
def encoder(minibind):
    return minibind


def test_embeddings_have_unit_norm_in_every_modality(encoder, generator):
    embedded = (
        encoder.embed_audio(torch.randn(2, 16_000, generator=generator)),
        encoder.embed_text(["violin", "a kettle drum"]),
        encoder.embed_image(torch.rand(2, 3, 224, 224, generator=generator)),
    )
    for each in embedded:
        assert each.shape == (2, encoder.embedding_size)
        assert torch.allclose(each.norm(dim=-1), torch.ones(2), atol=1e-5)


def test_audio_embedding_is_differentiable_and_ignores_the_level(generator):
    encoder = MiniBind().eval()
    wave = torch.randn(1, 8_000, generator=generator, requires_grad=True)
    embedding = encoder.embed_audio(wave)
    embedding[0, 0].backward()
    assert wave.grad.abs().max() > 0
    assert torch.allclose(encoder.embed_audio(100 * wave), embedding, atol=1e-4)


def test_short_and_silent_audio_has_an_embedding(encoder):
    for samples in (10, 1_600):
        assert torch.isfinite(encoder.embed_audio(torch.zeros(1, samples))).all()


def test_case_and_punctuation_do_not_matter_and_text_needs_a_word(encoder):
    plain, loud = encoder.embed_text(["french horn", "French  HORN!"])
    assert torch.allclose(plain, loud, atol=1e-6)
    with pytest.raises(InputError, match="holds no word"):
        encoder.embed_text(["..."])


def test_synonyms_stand_near_their_class(encoder):
    names = encoder.embed_text([sound.name for sound in sound_classes()])
    right = total = 0
    for k, sound in enumerate(sound_classes()):
        nearest = (encoder.embed_text(list(sound.synonyms)) @ names.T).argmax(dim=1)
        right, total = right + int((nearest == k).sum()), total + len(nearest)
    assert right / total > 0.9


def _nearest_centre(train: list[torch.Tensor], test: list[torch.Tensor]) -> float:
    """Accuracy of the nearest class mean: one (examples, D) a class in each list."""
    centres = torch.nn.functional.normalize(torch.stack([z.mean(dim=0) for z in train]), dim=-1)
    right = [(z @ centres.T).argmax(dim=-1) == k for k, z in enumerate(test)]
    return torch.cat(right).float().mean().item()


def test_sounds_and_pictures_of_a_class_stand_together(encoder):
    music = manifests.music()

    def clips(split, first):
        return [
            encoder.embed_audio(
                torch.stack([torch.from_numpy(music.clip(split, s, first + i)) for i in range(4)])
            )
            for s in sound_classes()
        ]

    assert _nearest_centre(clips("train", 0), clips("test", 0)) > 0.6

    def drawn(split):
        return [
            encoder.embed_image(
                torch.stack([pictures.load_picture(p) for p in pictures.drawings(s, split)])
            )
            for s in sound_classes()
        ]

    assert _nearest_centre(drawn("train"), drawn("test")) > 0.5


def test_wrong_shapes_are_refused(encoder):
    with pytest.raises(InputError, match="waveform"):
        encoder.embed_audio(torch.zeros(100))
    with pytest.raises(InputError, match="H=224"):
        encoder.embed_image(torch.zeros(1, 3, 64, 64))
