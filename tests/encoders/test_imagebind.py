"""ImageBind behind the Protocol: a small one of its own classes, and what is said where a package
or weights are missing.
"""

import copy
import importlib.util
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from unittest import mock

import pytest
import torch

from mars_lib.check import InputError
from mars_lib.encoders import imagebind
from mars_lib.encoders.imagebind_fbank import FilterBank, normalise_pictures
from mars_lib.io import checkpoint, published_weights
from tests.encoders.imagebind_small import SIZES, need_imagebind, small, small_model


@pytest.fixture(scope="module")
def encoder():
    need_imagebind()
    return small()


@torch.no_grad()
def examples(encoder):
    """The same two things a modality, embedded."""
    generator = torch.Generator().manual_seed(0)
    return {
        "audio": encoder.embed_audio(0.1 * torch.randn(2, 40_000, generator=generator)),
        "text": encoder.embed_text(["violin", "a kettle drum"]),
        "image": encoder.embed_image(torch.rand(2, 3, 224, 224, generator=generator)),
        "video": encoder.embed_video(torch.rand(2, 2, 3, 224, 224, generator=generator)),
    }


@pytest.fixture(scope="module")
def wanted(encoder):
    return examples(encoder)


def test_embeddings_have_unit_norm_in_every_modality(encoder, wanted):
    for z in wanted.values():
        assert z.shape == (2, encoder.embedding_size) and z.dtype == torch.float32
        assert torch.allclose(z.norm(dim=-1), torch.ones(2), atol=1e-5)
    assert torch.allclose(*encoder.embed_text(["French Horn", "french  horn"]), atol=1e-6)


def test_the_filter_bank_has_the_gradient_of_its_differences(generator):
    wave = 0.1 * torch.randn(2, 32_000, generator=generator)
    wave[1, 5_000:] = 0
    bank, weight = FilterBank(), torch.randn(2, 3, 1, 128, 204, generator=generator)

    def value(x):
        return (bank(x).double() * weight).sum()

    wave.requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(wave), wave)
    # Silence has no gradient, and no NaN either.
    assert (
        gradient[0].abs().max() > 1
        and torch.isfinite(gradient).all()
        and gradient[1, 6_000:].abs().max() < 1e-6
    )
    step = 1e-3 * gradient * torch.tensor([[1.0], [0.0]]) / gradient[0].norm()
    with torch.no_grad():
        slope = (value(wave + step) - value(wave - step)) / 2
    assert slope.item() == pytest.approx((gradient * step).sum().item(), rel=0.02)


def test_audio_is_differentiable_through_the_whole_encoder(encoder, generator):
    wave = (0.1 * torch.randn(1, 70_000, generator=generator)).requires_grad_(True)
    encoder.embed_audio(wave)[0, 0].backward()
    # Three clips of two seconds cover all of it, from the first frame to the last whole one.
    assert (
        wave.grad[0, :160].any() and wave.grad[0, -400:].any() and torch.isfinite(wave.grad).all()
    )


def test_short_and_silent_audio_has_an_embedding(encoder):
    for samples in (1, 399, 400, 31_999):
        assert torch.isfinite(encoder.embed_audio(torch.zeros(1, samples))).all()


def test_a_film_is_the_mean_of_its_frames(encoder, generator):
    frames = torch.rand(3, 3, 224, 224, generator=generator)
    mean = encoder.embed_image(frames).mean(dim=0)
    assert torch.allclose(encoder.embed_video(frames[None])[0], mean / mean.norm(), atol=1e-5)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float16, 0.01), (torch.bfloat16, 0.05)])
def test_half_precision_is_near(wanted, dtype, error):
    half = imagebind.ImageBind(small_model(), dtype).eval()
    assert {p.dtype for p in half.trunks.parameters()} == {dtype}
    assert {p.dtype for p in half.heads.parameters()} == {torch.float32}
    for name, z in examples(half).items():
        assert z.dtype == torch.float32 and 0 < (z - wanted[name]).abs().max() < error
    with pytest.raises(InputError, match="precision: is torch.float64"):
        imagebind.ImageBind(small_model(), torch.float64)


def test_what_cannot_be_embedded_is_named(encoder):
    for call, says in (
        (lambda: encoder.embed_audio(torch.zeros(100)), "waveform"),
        (lambda: encoder.embed_image(torch.zeros(1, 3, 64, 64)), "H=224"),
        (lambda: encoder.embed_video(torch.zeros(1, 3, 224, 224)), "frames"),
        (lambda: encoder.embed_text(["violin", " \n"]), "holds no word"),
        (lambda: normalise_pictures(torch.zeros(224, 224)), "images"),
    ):
        with pytest.raises(InputError, match=says):
            call()


def test_a_copy_is_whole(encoder, wanted):
    assert all(torch.equal(z, wanted[name]) for name, z in examples(copy.deepcopy(encoder)).items())


def test_the_package_is_left_as_it_was(encoder):
    """The stand-in that keeps `imagebind/__init__.py` from running is gone: whoever imports the
    package gets the real one.
    """
    assert "imagebind" not in sys.modules or hasattr(sys.modules["imagebind"], "__file__")
    assert "imagebind.models.imagebind_model" in sys.modules


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A small model in the place of imagebind_huge, in a file as the huge one's."""
    need_imagebind()
    path = tmp_path / "imagebind_huge.pth"
    torch.save(small_model().state_dict(), path)
    file = replace(
        imagebind.PUBLISHED,
        size=path.stat().st_size,
        sha256=published_weights.hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    monkeypatch.setattr(imagebind, "PUBLISHED", file)
    monkeypatch.setattr(imagebind, "HUGE", SIZES)
    return path


def test_weights_come_from_the_published_file_and_from_what_it_becomes(published, encoder, wanted):
    first = imagebind.load(published)
    assert not first.training and not any(p.requires_grad for p in first.parameters())
    assert all(torch.equal(z, wanted[name]) for name, z in examples(first).items())
    published.unlink()  # once converted it may go
    again = imagebind.load(published.with_suffix(".safetensors"))
    assert (
        published_weights.fingerprint(again)
        == published_weights.fingerprint(first)
        == published_weights.fingerprint(encoder)
    )


def test_weights_of_another_model_are_refused(published, monkeypatch, tmp_path):
    monkeypatch.setattr(imagebind, "HUGE", SIZES | {"text_num_blocks": 3})
    with pytest.raises(InputError, match="does not fit"):
        imagebind.load(published)
    other = tmp_path / "other.safetensors"
    checkpoint.save(other, {"x": torch.zeros(1)}, {"kind": "separator"})
    with pytest.raises(InputError, match="holds separator, not a imagebind"):
        imagebind.load(other)
    with pytest.raises(InputError, match=r"are not there; fetch them .*CC-BY-NC 4.0"):
        imagebind.load(tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (None, r"is not installed; pip install 'mars-lib\[imagebind\]'"),
        (ModuleSpec("imagebind", None), "empty placeholder; pip uninstall imagebind"),
        ("models", "bpe_simple_vocab_16e6.txt.gz: is missing"),
    ],
)
def test_a_package_that_is_not_there_or_not_whole_is_named(monkeypatch, tmp_path, found, says):
    if found == "models":
        (tmp_path / "models").mkdir()
        found = ModuleSpec("imagebind", None, is_package=True)
        found.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    with pytest.raises(InputError, match=says):
        imagebind._imagebind.__wrapped__()


def test_a_package_without_its_dependencies_is_named(monkeypatch, tmp_path):
    for file in ("models/__init__.py", "bpe/bpe_simple_vocab_16e6.txt.gz"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "models" / "imagebind_model.py").write_text("import a_module_that_is_nowhere\n")
    spec = ModuleSpec("imagebind", None, is_package=True)
    spec.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with mock.patch.dict(sys.modules):
        for name in [name for name in sys.modules if name.split(".")[0] == "imagebind"]:
            del sys.modules[name]
        with pytest.raises(InputError, match="needs a_module_that_is_nowhere"):
            imagebind._imagebind.__wrapped__()
        assert "imagebind" not in sys.modules


def test_the_skeleton_is_that_of_imagebind_huge(encoder):
    ours = {name: tensor.shape for name, tensor in imagebind.skeleton().state_dict().items()}
    with torch.device("meta"), imagebind._ShapesOnly():
        theirs = sys.modules["imagebind.models.imagebind_model"].imagebind_huge().state_dict()
    assert ours == {
        name: tensor.shape
        for name, tensor in theirs.items()
        if name.split(".")[1] in ("audio", "text", "vision")
    }
    # The published file holds just these numbers: the rest is a zip's table of contents.
    numbers = sum(tensor.numel() * tensor.element_size() for tensor in theirs.values())
    assert 0 < imagebind.PUBLISHED.size - numbers < 1_000_000


@pytest.mark.slow
@torch.no_grad()
def test_imagebind_huge_is_built_and_embeds_sound(generator):
    """Five gigabytes of random numbers, a minute."""
    need_imagebind()
    model = imagebind.skeleton().to_empty(device="cpu")
    for tensor in model.state_dict().values():
        tensor.normal_(std=0.02, generator=generator)
    model.modality_preprocessors["text"].mask.copy_(torch.full((77, 77), -torch.inf).triu(1))
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.reset_parameters()
    encoder = imagebind.ImageBind(model, torch.bfloat16).eval()
    assert encoder.embedding_size == 1024 and encoder.trunks["audio"](
        torch.zeros(1, 1_000)
    ).shape == (1, 3 * 768)
    wave, picture = (
        torch.randn(1, 1_000, generator=generator),
        torch.rand(1, 3, 224, 224, generator=generator),
    )
    for z in (
        encoder.embed_audio(wave),
        encoder.embed_text(["violin"]),
        encoder.embed_image(picture),
    ):
        assert z.shape == (1, 1024) and torch.allclose(z.norm(dim=-1), torch.ones(1), atol=1e-4)
