"""Embeddings of files: found again as long as the file's content and the weights are the same, and only then."""

import shutil

import pytest
import soundfile
import torch
from PIL import Image

from mars_lib.check import InputError
from mars_lib.encoders.embedding_cache import EmbeddingCache
from mars_lib.encoders.minibind import MiniBind


class Counting(MiniBind):
    """MiniBind with random weights that counts what it embeds."""

    def __init__(self, seed=0):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            super().__init__()
        self.eval().requires_grad_(False)
        self.embedded = 0

    def embed_features(self, modality, features):
        self.embedded += len(features)
        return super().embed_features(modality, features)


@pytest.fixture
def encoder():
    return Counting()


@pytest.fixture
def cache(encoder, tmp_path):
    return EmbeddingCache(encoder, tmp_path / "cache")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.new("RGB", (60, 40), (200, 30, 30)).save(path)
    return path


def files(cache):
    return sorted(cache.folder.rglob("*.safetensors"))


def test_everything_is_embedded_once(cache, encoder, sound_file, picture, tmp_path):
    stereo = sound_file("a.wav", rate=44_100, channels=2)
    first = cache.audio([stereo]), cache.image([picture]), cache.text(["violin", "harp"])
    assert [z.shape for z in first] == [(1, 256), (1, 256), (2, 256)] and encoder.embedded == 4
    assert torch.allclose(torch.cat(first).norm(dim=-1), torch.ones(4), atol=1e-5)
    # Another cache over the same folder, another name for the same file.
    again, moved = EmbeddingCache(encoder, cache.folder), tmp_path / "b.wav"
    shutil.copy(stereo, moved)
    second = again.audio([moved]), again.image([str(picture)]), again.text(["violin", "harp"])
    assert encoder.embedded == 4 and all(torch.equal(a, b) for a, b in zip(first, second))
    assert len(files(cache)) == 4 and cache.text([]).shape == (0, 256)


def test_what_it_keeps_is_what_the_encoder_says(cache, encoder, sound_file):
    path = sound_file("a.wav")
    samples, _ = soundfile.read(path, dtype="float32")
    assert torch.equal(cache.audio([path]), encoder.embed_audio(torch.from_numpy(samples)[None]))


def test_changed_content_and_other_weights_are_embedded_anew(cache, encoder, sound_file):
    path = sound_file("a.wav", seconds=1.0)
    first = cache.audio([path])
    sound_file("a.wav", seconds=0.5)
    assert not torch.allclose(cache.audio([path]), first) and encoder.embedded == 2
    other = EmbeddingCache(Counting(seed=1), cache.folder)
    assert not torch.allclose(other.audio([path]), cache.audio([path])) and other.encoder.embedded == 1
    # A head that was aligned since is other weights, too.
    torch.nn.init.orthogonal_(encoder.heads["audio"].weight)
    assert not torch.allclose(EmbeddingCache(encoder, cache.folder).audio([path]), cache.audio([path]))
    # The same bytes as sound and as words are two things.
    before = len(files(cache))
    cache.text([path.read_bytes().decode("latin-1")])
    assert len(files(cache)) == before + 1


def test_a_damaged_entry_is_made_again(cache, encoder):
    first = cache.text(["violin"])
    (entry,) = files(cache)
    for damaged in (b"", entry.read_bytes()[:-7], b"no safetensors at all"):
        entry.write_bytes(damaged)
        assert torch.equal(cache.text(["violin"]), first)
    assert encoder.embedded == 4 and files(cache) == [entry]


def test_what_cannot_be_read_is_named_and_leaves_nothing(cache, sound_file, tmp_path):
    for path in (tmp_path / "none.wav", sound_file("empty.wav", seconds=0)):
        with pytest.raises(InputError, match=path.name):
            cache.audio([path])
    with pytest.raises(InputError, match="none.png"):
        cache.image([tmp_path / "none.png"])
    with pytest.raises(InputError, match="holds no word"):
        cache.text(["..."])
    assert files(cache) == []
