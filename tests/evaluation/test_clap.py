"""The CLAP score with the real classes of `transformers`, tiny, with random weights; nothing is
downloaded.
"""

import shutil

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly

from mars_lib.check import InputError
from mars_lib.evaluation import clap

transformers = pytest.importorskip("transformers", minversion="5.0")

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "the", "sound", "of", "violin", "harp"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("clap")
    sizes = transformers.ClapConfig(
        text_config={
            "vocab_size": len(WORDS),
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "max_position_embeddings": 32,
            "pad_token_id": 0,
        },
        audio_config={
            "patch_embeds_hidden_size": 16,
            "hidden_size": 32,
            "depths": [1, 1],
            "num_attention_heads": [2, 2],
            "num_hidden_layers": 2,
            "spec_size": 128,
            "num_mel_bins": 16,
            "window_size": 4,
        },
        projection_dim=16,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.ClapModel(sizes).save_pretrained(folder)
    words = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>").save_pretrained(
        folder
    )
    transformers.ClapFeatureExtractor(
        feature_size=16, max_length_s=4, truncation="rand_trunc"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def published(folder):
    return clap.load(folder)


def test_a_score_is_the_cosine_that_the_model_itself_gives(published, folder):
    rng = np.random.default_rng(0)
    sounds = torch.from_numpy(rng.standard_normal((2, 32_767))).float()
    model = transformers.ClapModel.from_pretrained(folder).eval()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    ids = torch.tensor([[4, 5, 6, 7], [4, 5, 6, 8]])
    with torch.no_grad():
        # scipy's filter is not torchaudio's; what both pass is the same.
        features = extractor(
            list(resample_poly(sounds.numpy(), 3, 1, axis=-1)),
            sampling_rate=48_000,
            return_tensors="pt",
        )
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids), **features)
    expected = output.logits_per_audio.diagonal() / model.logit_scale_a.exp()
    found = published.score(sounds, ["violin", "harp"])
    torch.testing.assert_close(found, expected, atol=5e-3, rtol=0)
    assert not torch.allclose(found, published.score(sounds, ["harp", "violin"]), atol=5e-3)


def test_a_score_is_the_same_every_time(published):
    sound = torch.randn(1, 48_000, generator=torch.Generator().manual_seed(1))
    assert published.score(sound, ["harp"]) == published.score(sound, ["harp"])


@pytest.mark.parametrize(
    ("sound", "names", "message"),
    [
        (torch.zeros(1, 1, 16_000), ["harp"], "estimate"),
        (torch.full((1, 16_000), float("nan")), ["harp"], "NaN"),
        (torch.zeros(1, 16_000), ["harp", "violin"], "estimate"),
        (torch.zeros(1, 80_000), ["harp"], "cut it to 4 s"),
    ],
)
def test_sounds_that_cannot_be_scored(published, sound, names, message):
    with pytest.raises(InputError, match=message):
        published.score(sound, names)


def test_weights_that_are_not_there_or_not_whole(folder, tmp_path):
    with pytest.raises(InputError, match="are not there"):
        clap.load(tmp_path)
    broken = shutil.copytree(folder, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="incomplete or damaged"):
        clap.load(broken)
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="of the model bert"):
        clap.load(other)
