import numpy as np
import pytest
import soundfile

from mars_lib.check import InputError
from mars_lib.data.folders import FolderMusic


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
