"""Our input of ImageBind, and what comes out, against `imagebind.data` and ImageBind's own forward
on real files.
"""

import sys
from fractions import Fraction

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch.nn import functional

from mars_lib import waveform
from mars_lib.data import pictures
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders import imagebind
from mars_lib.encoders.imagebind_fbank import (
    FilterBank,
    clip_starts,
    normalise_pictures,
)
from tests.encoders.imagebind_small import need_imagebind, small_model

need_imagebind()
pytest.importorskip("pytorchvideo")

TEXTS = ["violin", "A dog's bark &amp; a CAT", "naïve café — “quoted”", "trumpet " * 100]


@pytest.fixture(scope="module")
def data():
    """`imagebind.data` as it runs where its own requirements are met to the letter."""
    functional_tensor = pytest.importorskip("torchvision.transforms._functional_tensor")
    with pytest.MonkeyPatch.context() as patch:
        # pytorchvideo asks for a module that torchvision has renamed.
        patch.setitem(sys.modules, "torchvision.transforms.functional_tensor", functional_tensor)
        from imagebind import data
        from pytorchvideo.data.clip_sampling import ConstantClipsPerVideoSampler

        class EvenlySpread(ConstantClipsPerVideoSampler):
            """ImageBind pins pytorchvideo at 28fe037; PyPI's release lacks its "Bug fix in Constant
            clip sampler" (9368f30).
            """

            def __call__(self, last, duration, annotation):
                found = super().__call__(last, duration, annotation)
                start = (
                    Fraction(
                        Fraction(max(duration - self._clip_duration, 0)), self._clips_per_video - 1
                    )
                    * found.clip_index
                )
                return found._replace(
                    clip_start_sec=start, clip_end_sec=start + self._clip_duration
                )

        def load(path):
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
            return torch.from_numpy(samples.T.copy()), rate

        patch.setattr(data, "ConstantClipsPerVideoSampler", EvenlySpread)
        # torchaudio.load needs TorchCodec, and that FFmpeg.
        patch.setattr(data.torchaudio, "load", load)
        yield data


@pytest.fixture(scope="module")
def sounds(tmp_path_factory, example):
    """16-bit WAV files at 16 kHz: shorter than a clip, overlapping clips with an offset, an odd
    length, two channels, silence.
    """
    folder, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    music = np.tile(example[0].numpy(), 6)
    noise = 0.1 * rng.standard_normal((100_001, 2))
    made = {
        "short": music[:8_000],
        "two": music[:32_000],
        "overlap": music[:52_345] + 0.05,
        "long": music[:163_841],
        "stereo": noise + np.array([0.02, -0.1]),
        "silence": np.zeros(40_000),
        "half": np.r_[music[:40_000], np.zeros(40_000)],
    }
    for name, samples in made.items():
        soundfile.write(folder / f"{name}.wav", samples, 16_000)
    return [folder / f"{name}.wav" for name in made]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """PNG and JPEG files: wide, high, small, of the very size; noise, and a drawing of ours on
    white.
    """
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    paths = []
    for size, suffix in (
        ((300, 181), "png"),
        ((333, 500), "png"),
        ((50, 77), "png"),
        ((224, 224), "png"),
        ((640, 427), "jpg"),
    ):
        path = folder / f"{size[0]}.{suffix}"
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path)
        paths.append(path)
    drawing = pictures.load_picture(pictures.drawings(sound_classes()[0], "train")[0])
    path = folder / "drawing.png"
    Image.fromarray((255 * drawing).round().byte().permute(1, 2, 0).numpy()).resize(
        (401, 301)
    ).save(path)
    return [*paths, path]


def ours(path):
    """(1, L): the first channel."""
    return waveform.load(path)[0][:1]


def test_sound_is_that_of_imagebind_data(data, sounds):
    bank = FilterBank()
    for path in sounds:
        there = data.load_and_transform_audio_data([str(path)], "cpu")
        here = bank(ours(path))
        assert here.shape == there.shape
        assert (here - there).abs().max() < 1e-4, path.name


def test_clips_start_where_they_do_there(data):
    for length in (400, 31_999, 32_000, 32_001, 40_000, 48_123, 65_535, 163_841, 999_983):
        sampler = data.ConstantClipsPerVideoSampler(clip_duration=2, clips_per_video=3)
        there = [
            int(start * 16_000) for start, _ in data.get_clip_timepoints(sampler, length / 16_000)
        ]
        assert clip_starts(length) == there


def test_a_batch_is_its_sounds_one_by_one(sounds):
    long = [ours(path)[:, :40_000] for path in sounds if ours(path).shape[1] >= 40_000]
    bank = FilterBank()
    assert torch.allclose(bank(torch.cat(long)), torch.cat([bank(x) for x in long]), atol=1e-5)


def test_pictures_are_those_of_imagebind_data(data, images):
    there = data.load_and_transform_vision_data([str(path) for path in images], "cpu")
    here = normalise_pictures(torch.stack([pictures.load_picture(path) for path in images]))
    assert (here - there).abs().max() < 1e-4


def test_tokens_are_those_of_imagebind_data(data):
    _, tokens = imagebind._imagebind()
    assert torch.equal(
        torch.stack([tokens(text) for text in TEXTS]), data.load_and_transform_text(TEXTS, "cpu")
    )


@torch.no_grad()
def test_embeddings_are_those_of_imagebind_at_unit_norm(data, sounds, images):
    model = small_model()
    inputs = {
        "audio": torch.cat(
            [data.load_and_transform_audio_data([str(path)], "cpu") for path in sounds]
        ),
        "text": data.load_and_transform_text(TEXTS, "cpu"),
        "vision": data.load_and_transform_vision_data([str(path) for path in images], "cpu"),
    }
    there = model(inputs)
    encoder = imagebind.ImageBind(model).eval()
    here = {
        "audio": torch.cat([encoder.embed_audio(ours(path)) for path in sounds]),
        "text": encoder.embed_text(TEXTS),
        "vision": encoder.embed_image(
            torch.stack([pictures.load_picture(path) for path in images])
        ),
    }
    for name, z in here.items():
        assert torch.allclose(z, functional.normalize(there[name], dim=-1), atol=1e-4), name
    # The scales that unit norm takes off: a mean of three unit vectors times 20, and 1 / 0.07.
    assert 15 < there["audio"].norm(dim=-1).min() and there["audio"].norm(dim=-1).max() < 20.001
    assert torch.allclose(
        there["text"].norm(dim=-1), torch.full((len(TEXTS),), 1 / 0.07), atol=1e-3
    )
