"""The data set over CSVs, on files that the tests write themselves."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.cli.train import music_of
from mars_lib.data.csv_music import PICTURES, CsvMusic, read_rows, shuffled
from mars_lib.data.mini_music import LEVEL
from mars_lib.data.mixtures import MixtureStream
from mars_lib.data.pictures import load_picture
from mars_lib.data.random_streams import PURPOSES, Stream
from tests.data.tones import RATE, number_of, pitch, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("csv")
    write(folder, "train", ["acoustic_guitar", "playing violin, fiddle"])
    return write(folder, "val", ["acoustic_guitar", "playing violin, fiddle", "tuba"], files=2)


@pytest.fixture
def music(folder):
    return CsvMusic(folder, 8_000)


def test_classes_are_labels_with_their_own_recordings(music):
    guitar, violin = music.classes("train")
    assert (guitar.name, violin.name) == ("acoustic guitar", "playing violin, fiddle")
    assert len(guitar.sounds) == 10 and "playing violin, fiddle" in violin.prompts()
    assert [c.name for c in music.classes("validation")][-1] == "tuba"
    assert not set(guitar.sounds) & set(music.classes("validation")[0].sounds)


def test_a_clip_is_its_numbers_and_levelled(music):
    guitar = music.classes("train")[0]
    clip = music.clip("train", guitar, 3)
    assert clip.shape == (8_000,) and clip.dtype == np.float32
    assert np.sqrt(np.mean(clip**2)) == pytest.approx(LEVEL, rel=1e-2)
    assert np.array_equal(clip, replace(music).clip("train", guitar, 3))
    assert not np.array_equal(clip, music.clip("train", guitar, 4))


def test_every_recording_comes_once_before_any_comes_again(music):
    guitar = music.classes("train")[0]
    epochs = [
        [number_of(music.clip("train", guitar, 8 * e + i), 0) for i in range(8)] for e in range(3)
    ]
    # Two of ten answer queries alone.
    assert all(sorted(epoch) == list(range(2, 10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_shuffled_order_can_be_taken_up_anywhere(music):
    order = [shuffled(index, 7, key=5) for index in range(21)]
    assert [shuffled(index, 7, key=5) for index in range(11, 21)] == order[11:]
    assert order != [shuffled(index, 7, key=6) for index in range(21)]
    training = config.smoke().training
    whole = [MixtureStream(music, "train", training).batch(step) for step in range(12)]
    resumed = MixtureStream(music, "train", training)
    assert all(
        torch.equal(resumed.batch(step).mixture, whole[step].mixture) for step in range(9, 12)
    )


@pytest.mark.parametrize("seed", [0, 1, 100])
def test_a_query_is_never_its_targets_own_recording(music, seed):
    guitar = music.classes("train")[0]
    serving = {
        purpose: {
            number_of(music.clip("train", guitar, i, Stream(purpose, seed)), 0) for i in range(20)
        }
        for purpose in PURPOSES
        if purpose.endswith("clips")
    }
    assert serving.pop("query clips") == {0, 1}
    assert all(files == set(range(2, 10)) for files in serving.values())


def test_training_with_a_high_seed_uses_no_recording_that_is_kept_for_queries(music):
    asked = []
    listening = replace(music)
    object.__setattr__(listening, "clip", lambda *each: asked.append(each) or music.clip(*each))
    MixtureStream(listening, "train", replace(config.smoke().training, seed=100)).batch(0)
    assert not {music.recording(*each) for each in asked} & {
        str(path) for sound in music.classes("train") for path in sound.sounds[:2]
    }


def test_every_stream_has_an_order_of_its_own_and_each_recording_once(music):
    guitar, orders = music.classes("train")[0], set()
    for stream in (Stream("separator clips"), Stream("separator clips", 1), Stream("judge clips")):
        order = [number_of(music.clip("train", guitar, i, stream), 0) for i in range(8)]
        assert sorted(order) == list(range(2, 10))
        orders.add(tuple(order))
    assert len(orders) == 3


def test_a_recording_that_is_listed_twice_serves_queries_or_targets_and_not_both(tmp_path):
    folder = write(tmp_path, "train", ["a", "b"], files=2)
    rows = (folder / "train.csv").read_text()
    (folder / "train.csv").write_text(rows + rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        music = CsvMusic(folder, 4_000)
        sound = music.classes("train")[0]
    asked, mixed = (
        {music.recording("train", sound, i, Stream(purpose)) for i in range(9)}
        for purpose in ("query clips", "separator clips")
    )
    assert len(asked) == len(mixed) == 1 and asked != mixed


def test_a_class_of_one_recording_is_named_once(tmp_path):
    folder = write(tmp_path, "train", ["a", "b"], files=1)
    with (folder / "train.csv").open("a") as file:
        file.write(
            "audio/a/train0.wav,frames/a/train0,3,c\naudio/b/train0.wav,frames/b/train0,3,c\n"
        )
    music = CsvMusic(folder, 4_000)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        music.classes("train"), music.classes("train")
    assert [str(w.message).split(":")[0] for w in said] == ["a", "b"]
    assert "another stretch" in str(said[0].message)


def test_only_the_stretch_is_read(music, monkeypatch):
    lengths, real = [], soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda self, n, **k: (lengths.append(n), real(self, n, **k))[1]
    )
    music.clip("train", music.classes("train")[0], 0)
    assert lengths == [8_000]


def test_short_recordings_are_repeated_and_silence_is_passed_over(tmp_path):
    folder = write(tmp_path, "train", ["a", "b"], files=3)
    wave = 0.3 * np.sin(2 * np.pi * 300 * np.arange(2_000) / RATE)
    for i in (1, 2):
        soundfile.write(folder / f"audio/a/train{i}.wav", wave, RATE)
    half = np.concatenate([np.zeros(RATE), wave])
    soundfile.write(folder / "audio/b/train1.wav", half, RATE)
    soundfile.write(folder / "audio/b/train2.wav", np.zeros(RATE), RATE)
    music = CsvMusic(folder, 4_000)
    for sound in music.classes("train"):
        assert all(music.clip("train", sound, i).any() for i in range(10))
    soundfile.write(folder / "audio/b/train1.wav", np.zeros(RATE), RATE)
    with pytest.raises(InputError, match="'b': gave no sound in 100 tries"):
        music.clip("train", music.classes("train")[1], 0)


def test_files_that_cannot_be_read_are_named_and_left_out(tmp_path):
    folder = write(tmp_path, "train", ["a", "b"], files=4)
    (folder / "audio/a/train1.wav").write_text("no sound")
    soundfile.write(folder / "audio/a/train2.wav", np.ones(9_000), 44_100)
    music = CsvMusic(folder, 4_000)
    sound = music.classes("train")[0]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert {number_of(music.clip("train", sound, i), 0) for i in range(6)} == {3}
    said = " ".join(str(w.message) for w in said)
    assert (
        "train1.wav: cannot be read as sound" in said
        and "train2.wav: has 44100 Hz, not 16000" in said
    )


def test_nan_is_left_out_and_antiphase_is_kept(tmp_path):
    folder = write(tmp_path, "train", ["a", "b"], files=3)
    wave = 0.3 * np.sin(2 * np.pi * pitch(0, 1) * np.arange(2 * RATE) / RATE)
    soundfile.write(folder / "audio/a/train1.wav", np.stack([wave, -wave], axis=1), RATE)
    soundfile.write(folder / "audio/a/train2.wav", np.full(9_000, np.nan), RATE, subtype="FLOAT")
    music = CsvMusic(folder, 4_000)
    with pytest.warns(UserWarning, match="left out: .*train2.wav: holds .* NaN"):
        clips = [music.clip("train", music.classes("train")[0], i) for i in range(6)]
    assert {number_of(clip, 0) for clip in clips} == {1}


def test_flac_of_unknown_length_is_left_out(tmp_path):
    """Encoders that stream write 0 as the length; a stretch of it cannot be looked up."""
    folder = write(tmp_path, "train", ["a", "b"], files=3)
    soundfile.write(tmp_path / "whole.flac", 0.1 * np.ones(9_000), RATE)
    unknown = bytearray((tmp_path / "whole.flac").read_bytes())
    unknown[21] &= 0xF0
    unknown[22:26] = bytes(4)
    (folder / "audio/a/train1.wav").write_bytes(unknown)
    music = CsvMusic(folder, 4_000)
    with pytest.warns(UserWarning, match="left out: .*train1.wav"):
        assert {
            number_of(music.clip("train", music.classes("train")[0], i), 0) for i in range(6)
        } == {2}


def test_pictures_are_spread_over_the_recordings(tmp_path):
    folder = write(tmp_path, "train", ["a", "b"], files=3, frames=40)
    music = CsvMusic(folder, 4_000)
    sound = music.classes("train")[0]
    pictures = music.pictures(sound, "train")
    assert len(pictures) == len(set(pictures)) == PICTURES
    assert [p.parent.name for p in pictures].count("train1") in (21, 22)
    assert pictures[0].name == "000001.jpg" and pictures[-1].name == "000040.jpg"
    assert load_picture(pictures[0]).shape == (3, 224, 224)


def test_a_lost_picture_is_said_and_left_out(tmp_path):
    folder = write(tmp_path, "train", ["a", "b"], files=1)
    (folder / "frames/a/train0/000002.jpg").unlink()
    with pytest.warns(UserWarning, match="1 pictures, the first .*000002.jpg"):
        classes = CsvMusic(folder, 4_000).classes("train")
    assert [len(c.pictures) for c in classes] == [2, 3]


def test_sounds_without_pictures(tmp_path):
    folder = write(tmp_path, "train", ["a", "b"], files=2, frames=0)
    assert [c.pictures for c in CsvMusic(folder, 4_000).classes("train")] == [(), ()]


def test_lost_sounds_are_counted_and_a_wrong_path_stops(tmp_path):
    folder = write(tmp_path, "train", ["a", "b"], files=2)
    (folder / "audio/a/train0.wav").unlink()
    with pytest.warns(UserWarning, match="1 of 4 sounds, the first .*train0.wav"):
        assert len(CsvMusic(folder, 4_000).classes("train")[0].sounds) == 1
    (folder / "audio").rename(folder / "elsewhere")
    with pytest.raises(InputError, match="4 sounds, none of which is there"):
        CsvMusic(folder, 4_000).classes("train")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "a.wav,frames,3\n",
            "line 1: has 3 columns; give audio path, frames folder, number of frames, label",
        ),
        (
            "\na.wav,frames,3,bee, wasp\n",
            "line 2: has 5 columns; .* quotes around a label that holds a comma",
        ),
        (
            "audio,frames,number,label\n",
            "line 1: has 'number' as the number of frames; .* no header",
        ),
        ("a.wav,frames,-3,bee\n", "has '-3' as the number"),
        ("a.wav,frames,3, \n", "empty label"),
        ("", "recordings of 0 classes"),
        (b"\xff\xfe\x00a", "is no CSV file"),
    ],
)
def test_bad_csvs(tmp_path, text, says):
    (tmp_path / "train.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=says):
        CsvMusic(tmp_path, 4_000).classes("train")


def test_what_is_not_there_is_said(music, tmp_path):
    with pytest.raises(InputError, match="'unseen', which prepared videos do not have"):
        music.classes("unseen")
    with pytest.raises(InputError, match="test.csv: cannot be read"):
        music.classes("test")
    with pytest.raises(InputError, match="two data sets"):
        music_of(tmp_path, tmp_path, None, 1_000)


def test_absolute_paths_stay_as_they_are(tmp_path):
    (tmp_path / "train.csv").write_text(f"{tmp_path}/x/a.wav,/frames/a,0,bee\n")
    assert read_rows(tmp_path / "train.csv")[0].audio == tmp_path / "x/a.wav"
