"""A small ImageBind where MiniBind stands otherwise: queries, rewards, alignment of its heads,
reinforcement learning.
"""

import math
from dataclasses import replace

import pytest
import torch

from mars_lib import config
from mars_lib.alignment import (
    AlignmentConfig,
    load_heads,
    query_bank,
    retrieval,
    save_heads,
    train_stage,
    trunk_features,
)
from mars_lib.alignment.run import heads
from mars_lib.io import checkpoint
from mars_lib.query import query_mixup
from mars_lib.reward import MLBP, Target, fused, mean_of_unimodal
from mars_lib.separator import Separator
from mars_lib.training import reinforce
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.state import separator_checkpoint
from tests.data.few import Few, few
from tests.encoders.imagebind_small import SIZES, need_imagebind, small


@pytest.fixture
def encoder():
    need_imagebind()
    return small()


def test_queries_and_rewards(encoder, generator):
    wave = (0.1 * torch.randn(2, 16_000, generator=generator)).requires_grad_(True)
    embeddings = {
        "audio": encoder.embed_audio(0.1 * torch.randn(2, 16_000, generator=generator)),
        "text": encoder.embed_text(["violin", "harp"]),
        "image": encoder.embed_image(torch.rand(2, 3, 224, 224, generator=generator)),
    }
    query = query_mixup(
        torch.stack(list(embeddings.values()), dim=-2), torch.rand(2, 3, generator=generator)
    )
    assert query.shape == (2, encoder.embedding_size) and (query.norm(dim=-1) <= 1 + 1e-6).all()
    target = Target(wave.detach(), embeddings)
    for reward in (
        mean_of_unimodal(encoder.embed_audio),
        fused(encoder.embed_audio, MLBP(encoder.embedding_size, 8)),
    ):
        value = reward(wave, target)
        (gradient,) = torch.autograd.grad(value.sum(), wave)
        assert value.shape == (2,) and value.abs().max() <= 1 and gradient.abs().max() > 0


class Unseen(Few):
    """The first class has no pictures."""

    def pictures(self, sound, split):
        return [] if sound.name == self.classes(split)[0].name else super().pictures(sound, split)


def test_alignment_trains_its_heads_and_nothing_else(encoder, tmp_path):
    whole = few()
    music = Unseen(whole.fonts, whole.length)
    features = trunk_features(
        encoder, music, "train", clips=1, variants=2, folder=tmp_path, progress=False
    )
    widths = [getattr(features, name)[1].shape[-1] for name in ("audio", "text", "image")]
    assert widths == [
        3 * SIZES["audio_embed_dim"],
        SIZES["text_embed_dim"],
        SIZES["vision_embed_dim"],
    ]
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    # Features are kept in half precision on the way: 1e-3 of what the encoder itself says.
    clip = torch.from_numpy(music.clip("train", music.classes("train")[1], 0))[None]
    direct, kept = (
        encoder.embed_audio(clip),
        encoder.embed_features("audio", encoder.trunks["audio"](clip).half()),
    )
    assert torch.allclose(direct, kept, atol=1e-3)
    settings = AlignmentConfig(
        steps=1, batch_size=5, learning_rate=1e-2, validate_every=1, patience=99
    )
    best = train_stage(encoder, "one-stage", features, features, settings, progress=False)
    assert best["step"] > 0  # one that was better than the start
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
    assert {"audio-image", "image-audio"} < set(retrieval(encoder, features))
    assert query_bank(encoder, features).pools["image"][0].shape[-1] == encoder.embedding_size
    save_heads(encoder, tmp_path / "heads.safetensors")
    other = small()
    load_heads(other, tmp_path / "heads.safetensors")
    assert all(torch.equal(tensor, heads(encoder)[name]) for name, tensor in heads(other).items())


def test_reinforcement_learning_with_its_rewards(encoder, tmp_path):
    smoke = config.smoke()
    smoke = replace(
        smoke,
        signal=replace(smoke.signal, length=8_191),
        separator=replace(smoke.separator, embedding_size=encoder.embedding_size),
    )
    torch.manual_seed(0)
    checkpoint.save(
        tmp_path / "start.safetensors",
        *separator_checkpoint(config.to_dict(smoke), Separator(smoke)),
    )
    rl = RLConfig(
        steps=1,
        batch_size=2,
        validate_every=1,
        validation_mixtures=2,
        queries_per_class=1,
        precision="32-true",
        augment=0.0,
        estimator="pathwise",
    )
    rows = []
    best = reinforce.train_rl(
        tmp_path / "start.safetensors",
        rl,
        few(),
        encoder,
        MLBP(encoder.embedding_size, 8),
        tmp_path,
        accelerator="cpu",
        progress=False,
        on_step=lambda step, row: rows.append(row),
    )
    assert best.is_file() and all(math.isfinite(value) for value in rows[0].values())
    assert rows[0]["gradient_norm"] > 0
