import warnings
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from mars_lib import config
from mars_lib.alignment.features import ALIGNMENT_CLIPS, trunk_features
from mars_lib.alignment.pairs import PairSampler
from mars_lib.check import InputError
from mars_lib.data.array_cache import ArrayCache
from mars_lib.data.folders import FolderMusic
from mars_lib.data.mixtures import MixtureStream
from mars_lib.data.random_streams import Stream
from mars_lib.encoders.minibind import MiniBind
from mars_lib.training.query_bank import QueryBank


@pytest.fixture
def own(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("creaky_door", "kettle"):
        (tmp_path / name).mkdir()
        for i in range(30):
            noise = 0.1 * rng.standard_normal((4_000 + 1_000 * i, 2))
            soundfile.write(tmp_path / name / f"take-{i}.wav", noise, 22_050)
    return tmp_path


def test_a_folder_is_a_data_set(own):
    music = FolderMusic(own, 8_000)
    classes = music.classes("train")
    assert [c.name for c in classes] == ["creaky door", "kettle"]
    clip = music.clip("train", classes[0], 3)
    assert clip.shape == (8_000,) and np.array_equal(clip, music.clip("train", classes[0], 3))
    assert "the sound of creaky door" in classes[0].prompts() and classes[0].pictures == ()


def test_splits_share_no_file(own):
    music = FolderMusic(own, 8_000)
    parts = [set(music.classes(s)[0].sounds) for s in ("train", "validation", "test")]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert len(set.union(*parts)) == 30


def test_few_files_are_used_everywhere_with_a_warning(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "one.wav", np.ones(2_000) * 0.1, 16_000)
    with pytest.warns(UserWarning, match="too few to split"):
        assert len(FolderMusic(tmp_path, 1_000).classes("test")) == 2


def test_a_file_that_turns_out_damaged_is_left_out(own, monkeypatch):
    """Its header is well: that it cannot be read shows when it is."""
    wave = np.full((9_000, 1), np.nan)
    for i in range(0, 30, 2):
        soundfile.write(own / "kettle" / f"take-{i}.wav", wave, 22_050, subtype="FLOAT")
    music = FolderMusic(own, 8_000)
    sound = music.classes("train")[1]
    with pytest.warns(UserWarning, match="left out: .*take-.*NaN"):
        clips = [music.clip("train", sound, i) for i in range(30)]
    assert all(np.isfinite(clip).all() and clip.any() for clip in clips)
    assert np.array_equal(clips[7], FolderMusic(own, 8_000).clip("train", sound, 7))
    for path in sound.sounds:
        soundfile.write(path, wave, 22_050, subtype="FLOAT")
    with pytest.raises(InputError, match="kettle: holds no sound that can be read"):
        FolderMusic(own, 8_000).clip("train", sound, 7)


def test_channels_in_antiphase_are_heard(tmp_path):
    wave = 0.1 * np.random.default_rng(0).standard_normal(9_000)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "one.wav", np.stack([wave, -wave], axis=1), 16_000)
    music = FolderMusic(tmp_path, 4_000)
    assert music.clip("train", music.classes("train")[0], 0).any()


def test_bad_folders(own, tmp_path):
    (own / "kettle" / "broken.wav").write_text("no sound")
    with pytest.warns(UserWarning, match="broken.wav"):
        FolderMusic(own, 8_000).classes("train")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="at least two classes"):
        FolderMusic(empty, 8_000).classes("train")


def test_hidden_folders_are_no_classes(own):
    for name in (".ipynb_checkpoints", ".hidden"):
        (own / name).mkdir()
        soundfile.write(own / name / "take.wav", np.ones(2_000) * 0.1, 16_000)
    assert [c.name for c in FolderMusic(own, 8_000).classes("train")] == ["creaky door", "kettle"]


def test_recordings_that_answer_queries_are_never_targets(own, monkeypatch):
    music, asked = FolderMusic(own, 8_000), []
    real = FolderMusic.clip
    monkeypatch.setattr(
        FolderMusic, "clip", lambda self, *each: asked.append(each) or real(self, *each)
    )
    MixtureStream(music, "train", replace(config.smoke().training, batch_size=16)).batch(0)
    mixed = {music.recording(*each) for each in asked}
    asked.clear()
    torch.manual_seed(0)
    QueryBank.embed(MiniBind().eval(), music, music.classes("train"), "train", 12, progress=False)
    queried = {music.recording(*each) for each in asked}
    assert len(queried) > 2 and len(mixed) > 10 and not mixed & queried
    assert {path.split("/")[-2] for path in queried} == {"creaky_door", "kettle"}


def few_files(folder, counts):
    """Classes of so many steady tones each: "a", "b" and so on."""
    for name, count in zip("abc", counts):
        (folder / name).mkdir()
        for i in range(count):
            tone = np.sin(2 * np.pi * 100 * (i + 2) * np.arange(20_000) / 16_000)
            soundfile.write(folder / name / f"{i}.wav", 0.3 * tone, 16_000)
    return FolderMusic(folder, 8_000)


def test_a_class_of_one_file_is_named_once_and_one_of_two_is_kept_apart(tmp_path):
    music = few_files(tmp_path, (1, 2))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        classes = music.classes("train")
        music.classes("train"), replace(music).classes("train")
    alone = [str(w.message) for w in said if "one recording" in str(w.message)]
    assert len(alone) == 1 and alone[0].startswith("a: has one recording to train on, 0.wav")
    files = [
        {music.recording("train", classes[1], i, Stream(purpose)) for i in range(9)}
        for purpose in ("query clips", "separator clips")
    ]
    assert [len(each) for each in files] == [1, 1] and files[0] != files[1]


@pytest.mark.filterwarnings("ignore")
def test_another_clip_of_a_pair_is_of_another_recording(tmp_path):
    music = few_files(tmp_path, (3, 4))
    torch.manual_seed(0)
    encoder = MiniBind().eval().requires_grad_(False)
    features = trunk_features(
        encoder, music, "train", clips=6, variants=1, folder=tmp_path, progress=False
    )
    for label, sound in enumerate(music.classes("train")):
        of = [music.recording("train", sound, i, ALIGNMENT_CLIPS) for i in range(6)]
        numbers = features.recordings_of(label)
        assert [[a == b for b in of] for a in of] == [[a == b for b in numbers] for a in numbers]
        assert 1 < len(set(of)) < 6
    sampler = PairSampler(features, 2)
    for step in range(20):
        pairs = sampler.draw(step)
        for label, *pair in zip(pairs.labels.tolist(), pairs.audio, pairs.other):
            # Steady tones: clips of one recording have the same features within its noise.
            rows, numbers = features.audio[label][:, 0], features.recordings_of(label)
            first, other = (
                {n for n, row in zip(numbers, rows) if torch.equal(row, x)} for x in pair
            )
            assert not first & other


def test_the_memory_of_files_is_bounded_and_what_was_used_last_stays(tmp_path, monkeypatch):
    few = few_files(tmp_path, (4, 4))
    with pytest.warns(UserWarning, match="too few"):
        files = few.classes("test")[0].sounds
    whole = [few._load(path) for path in files[:3]]
    music = replace(few, _cache=ArrayCache(2 * whole[0].nbytes))
    read, real = [], FolderMusic._read
    monkeypatch.setattr(
        FolderMusic, "_read", lambda self, path: read.append(path) or real(self, path)
    )
    for place in (0, 1, 0, 2, 0, 1):
        assert np.array_equal(music._load(files[place]), whole[place])
        assert music._cache.size <= music._cache.limit
    assert read == [files[place] for place in (0, 1, 2, 1)]
    tight = replace(few, _cache=ArrayCache(10))
    assert np.array_equal(tight._load(files[0]), whole[0]) and tight._cache.size == 0
