"""PE-AV behind the Protocol: the real classes of `transformers`, tiny, with random weights; nothing
is downloaded.
"""

import copy
import json
import shutil
import sys

import pytest
import torch
from torch.nn import functional

from mars_lib.alignment import AlignmentConfig, train_stage, trunk_features
from mars_lib.check import InputError
from mars_lib.encoders import pe_av
from mars_lib.reward import MLBP, Target, fused
from tests.data.few import few

transformers = pytest.importorskip("transformers", minversion="5.0")
pytest.importorskip("timm")

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "violin", "harp", "a", "of", "sound"]
TEXTS = ["violin", "a sound of a harp"]


def tiny_model():
    """A `PeAudioVideoModel` of one narrow layer each; pictures of 28 x 28."""
    widths = {"hidden_size": 16, "intermediate_size": 16, "head_dim": 8}
    layer = {**widths, "num_hidden_layers": 1, "num_attention_heads": 2}
    codec = {
        "model_type": "dac",
        "encoder_hidden_size": 4,
        "downsampling_ratios": [2, 8, 10, 12],
        "codebook_dim": 8,
        "hidden_size": 64,
    }
    vision = {
        "model_type": "timm_wrapper",
        "architecture": "vit_pe_core_large_patch14_336",
        "num_classes": 12,
        "do_pooling": True,
        "global_pool": "map",
        "model_args": {"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": [28, 28]},
    }
    text = {
        "model_type": "modernbert",
        "vocab_size": len(WORDS),
        "hidden_size": 24,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "cls_token_id": 1,
        "sep_token_id": 2,
    }
    sizes = transformers.PeAudioVideoConfig(
        text_config=text,
        audio_video_config={
            "model_type": "pe_audio_video_encoder",
            **layer,
            "audio_config": {"model_type": "pe_audio_encoder", **layer, "dac_config": codec},
            "video_config": {"model_type": "pe_video_encoder", **layer, "vision_config": vision},
        },
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.PeAudioVideoModel(sizes).eval()


def tiny_tokenizer():
    """Words by spaces, as PE-AV's puts its special tokens around them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
    )


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture
def encoder(model):
    return pe_av.PeAv(copy.deepcopy(model), tiny_tokenizer()).eval().requires_grad_(False)


@torch.no_grad()
def test_embeddings_are_those_of_its_own_forward_at_unit_norm(model, encoder, generator):
    wave = 0.1 * torch.randn(2, 16_100, generator=generator)
    # Its feature extractor wants 48 kHz, reflects what is missing to a whole frame, and gives the
    # mask.
    fine = pe_av.torchaudio.functional.resample(wave, 16_000, 48_000).numpy()
    sounds = transformers.PeAudioFeatureExtractor()(
        list(fine), sampling_rate=48_000, return_tensors="pt"
    )
    words = tiny_tokenizer()(TEXTS, padding=True, return_tensors="pt")
    videos = torch.rand(2, 3, 3, 28, 28, generator=generator)
    there = model.audio_model(
        input_ids=words["input_ids"],
        attention_mask=words["attention_mask"],
        input_values=sounds["input_values"],
        padding_mask=sounds["padding_mask"],
    )
    seen = model.video_model(
        input_ids=words["input_ids"], pixel_values_videos=2 * videos - 1
    ).video_embeds
    features = encoder.trunks["image"](videos)
    for here, wanted in (
        (encoder.embed_audio(wave), there.audio_embeds),
        (encoder.embed_text(TEXTS), there.text_audio_embeds),
        (encoder.embed_features("image", features), seen),
    ):
        assert here.shape == (2, encoder.embedding_size) == (2, 24)
        assert torch.allclose(here, functional.normalize(wanted, dim=-1), atol=1e-5)


@torch.no_grad()
def test_pictures_are_those_of_its_own_processor(encoder, generator):
    pictures = torch.randint(0, 256, (2, 3, 224, 224), generator=generator, dtype=torch.uint8)
    # The settings of facebook/pe-av-base's video_preprocessor_config.json, at the tiny model's
    # size.
    settings = {
        "size": {"height": 28, "width": 28},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "do_sample_frames": False,
    }
    processor = transformers.PeVideoVideoProcessor(
        **settings, do_resize=True, do_rescale=True, do_normalize=True
    )
    there = processor([picture[None] for picture in pictures], return_tensors="pt")[
        "pixel_values_videos"
    ]
    fed = []
    encoder.trunks["image"].encoder.register_forward_pre_hook(
        lambda _, inputs: fed.append(inputs[0])
    )
    encoder.embed_image(pictures.float() / 255)
    # Theirs rounds to 8 bits between the steps.
    assert fed[0].shape == there.shape and (fed[0] - there).abs().max() <= 2 / 255


def test_rewards_are_differentiable_which_its_audio_is_not_there(model, encoder, generator):
    wave = (0.1 * torch.randn(2, 4_000, generator=generator)).requires_grad_(True)
    target = Target(wave.detach(), {"text": encoder.embed_text(TEXTS)})
    reward = fused(encoder.embed_audio, MLBP(encoder.embedding_size, 8))(wave, target)
    reward.sum().backward()
    assert torch.isfinite(wave.grad).all() and wave.grad.abs().amax(dim=-1).min() > 0
    # Why the embedder is replaced; when this fails, it need not be any more.
    raw = torch.randn(1, 1, 19_200, requires_grad=True)
    codes, _ = model.audio_model.audio_encoder.embedder(raw)
    assert torch.autograd.grad(codes.sum(), raw, allow_unused=True) == (None,)


def test_pictures_are_films_of_one_frame(encoder, generator):
    pictures = torch.rand(2, 3, 224, 224, generator=generator)
    assert torch.equal(encoder.embed_image(pictures), encoder.embed_video(pictures[:, None]))
    videos = encoder.embed_video(torch.rand(2, 4, 3, 224, 224, generator=generator))
    assert torch.allclose(videos.norm(dim=-1), torch.ones(2), atol=1e-5)


def test_short_audio_long_text_and_what_cannot_be_embedded(encoder):
    for samples in (1, 639, 3_200):
        assert torch.isfinite(encoder.embed_audio(torch.zeros(1, samples))).all()
    assert torch.isfinite(encoder.embed_text(["violin " * 100])).all()
    for call, says in (
        (lambda: encoder.embed_audio(torch.zeros(100)), "waveform"),
        (lambda: encoder.embed_image(torch.zeros(1, 3, 64, 64)), "H=224"),
        (lambda: encoder.embed_video(torch.zeros(1, 3, 224, 224)), "frames"),
        (lambda: encoder.embed_text([""]), "holds no word"),
    ):
        with pytest.raises(InputError, match=says):
            call()


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pe-av")
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def test_a_folder_is_loaded_frozen_and_without_a_network(saved, encoder, generator, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    loaded = pe_av.load(saved)
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    wave = torch.randn(1, 8_000, generator=generator)
    assert torch.allclose(loaded.embed_audio(wave), encoder.embed_audio(wave), atol=1e-6)
    assert torch.allclose(loaded.embed_text(TEXTS), encoder.embed_text(TEXTS), atol=1e-6)


def test_weights_in_half_precision_are_loaded_in_whole(model, saved, tmp_path):
    shutil.copytree(saved, tmp_path / "w")
    copy.deepcopy(model).bfloat16().save_pretrained(tmp_path / "w")
    loaded = pe_av.load(tmp_path / "w")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert torch.isfinite(loaded.embed_audio(torch.zeros(1, 4_000))).all()


def spoiled(saved, folder, file, change):
    shutil.copytree(saved, folder)
    path = folder / file
    made = change(path.read_bytes())
    path.unlink()
    if made is not None:
        path.write_bytes(made)
    return folder


def other_model(text):
    return json.dumps({"model_type": "bert"}).encode()


def wider(text):
    sizes = json.loads(text)
    sizes["text_config"]["intermediate_size"] = 20
    return json.dumps(sizes).encode()


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        (
            "config.json",
            lambda _: None,
            r"are not there \(no config.json\); fetch them with `hf download",
        ),
        ("config.json", lambda _: b"{", "incomplete or damaged"),
        ("config.json", other_model, "of the model bert, not of PE-AV"),
        ("config.json", wider, "incomplete or damaged|lack .* tensors"),
        ("model.safetensors", lambda _: None, "incomplete or damaged"),
        (
            "model.safetensors",
            lambda content: content[: len(content) // 2],
            "incomplete or damaged",
        ),
        ("tokenizer.json", lambda _: None, "incomplete or damaged"),
    ],
)
def test_a_folder_that_is_not_whole_or_another_model_is_named(saved, tmp_path, file, change, says):
    with pytest.raises(InputError, match=says):
        pe_av.load(spoiled(saved, tmp_path / "w", file, change))


def test_missing_tensors_are_no_random_numbers(saved, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(saved, tmp_path / "w")
    tensors = load_file(folder / "model.safetensors")
    del tensors["audio_model.audio_head.proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="lack 1 tensors, as audio_model.audio_head.proj.weight"):
        pe_av.load(folder)


def test_a_missing_package_is_named(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        InputError, match=r"transformers: is not installed .*pip install 'mars-lib\[pe-av\]'"
    ):
        pe_av.load(saved)


def test_alignment_trains_its_heads(encoder):
    features = trunk_features(encoder, few(), "train", clips=1, variants=2, progress=False)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    settings = AlignmentConfig(
        steps=1, batch_size=6, learning_rate=1e-2, validate_every=1, patience=99
    )
    assert (
        train_stage(encoder, "one-stage", features, features, settings, progress=False)["step"] > 0
    )
    moved = {
        name
        for name, tensor in encoder.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert moved == {
        "log_temperature",
        "heads.audio.weight",
        "heads.text.weight",
        "heads.image.weight",
    }
