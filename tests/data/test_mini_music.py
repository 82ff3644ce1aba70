from dataclasses import replace

import numpy as np
import pytest
import torch

from mars_lib.check import InputError
from mars_lib.data import manifests
from mars_lib.data.mini_music import LEVEL, MiniMusic, level
from mars_lib.data.mixtures import MixtureStream
from mars_lib.data.synthesis import soundfonts
from mars_lib.data.synthesis.classes import (
    families,
    nearest_names,
    recognise,
    sound_classes,
    templates,
)
from tests.data.soundfont_bank import tone, write_bank


@pytest.fixture(scope="module")
def music():
    return manifests.music()


def test_classes_are_named_once_and_well():
    classes = sound_classes()
    assert 28 <= len(classes) <= 36
    names = [name for sound in classes for name in sound.names]
    assert len(set(names)) == len(names)
    assert all(len(sound.synonyms) >= 2 for sound in classes) and len(templates()) >= 6
    assert all(sound.programs or sound.drum_keys for sound in classes) and len(families()) >= 6


def test_every_prompt_is_recognised_as_its_class():
    for sound in sound_classes():
        assert all(recognise(prompt) == sound for prompt in sound.prompts())


def test_the_longest_name_wins_and_unknown_words_have_neighbours():
    assert recognise("electric bass").name == "electric bass"
    assert recognise("two french horns").name == "french horn"
    assert recognise("kazoo") is None
    assert nearest_names("trombon", 1) == ["trombone"]


def test_a_clip_is_its_numbers(music):
    violin = next(s for s in sound_classes() if s.name == "violin")
    first = music.clip("test", violin, 5)
    assert np.array_equal(first, music.clip("test", violin, 5))
    assert not np.array_equal(first, music.clip("test", violin, 6))
    assert not np.array_equal(first, music.clip("train", violin, 5))
    assert first.shape == (manifests.LENGTH,) and first.dtype == np.float32


def test_every_class_sounds_in_every_split_it_is_in(music):
    for split in ("train", "unseen"):
        for sound in music.classes(split):
            clip = music.clip(split, sound, 0)
            assert np.isfinite(clip).all() and 0.01 < np.sqrt(np.mean(clip**2)) < 1.5 * LEVEL


def test_silent_instruments_are_found_and_left_out(tmp_path):
    # A bank that plays program 40 and nothing else.
    font = soundfonts.Soundfont(
        "violin alone", write_bank(tmp_path / "one.sf2", [tone()], [{}], program=40)
    )
    silent = set(soundfonts.missing_classes(font))
    assert {s.name for s in sound_classes()} - silent == {"violin"}
    assert [s.name for s in MiniMusic((font,), 1_000).classes("train")] == ["violin"]


def test_recordings_that_fonts_share_are_not_called_unseen(music):
    training, unseen = music.fonts[0], music.fonts[1]
    by_name = {s.name: s for s in sound_classes()}
    assert soundfonts.similarity(unseen, training, by_name["snare drum"], 0, 38) > 0.95
    # One pitch, two instruments: the notes correlate, their flattened spectra do not.
    assert soundfonts.similarity(unseen, training, by_name["harp"], 46, 66) < 0.25
    # Merlin's muted trumpet is TimGM6mb's, its open one is not.
    assert soundfonts.unshared(unseen, (training,), by_name["trumpet"]) == (56,)
    names = {s.name for s in music.classes("unseen")}
    assert {"violin", "flute", "piano", "cello"} <= names and "snare drum" not in names


def test_every_pitched_class_plays_the_pitch_that_it_is_asked_for(music):
    for sound in music.classes("unseen"):
        if sound.style == "effect" or sound.name in (
            "organ",
            "timpani",
        ):  # stops and drums have partials of their own
            continue
        pitches = [int(k) for k in np.linspace(*sound.range, 5)]
        for font, programs in music.sources("unseen", sound) + music.sources("test", sound):
            notes = [(soundfonts.probe(font, sound, p, k), k) for p in programs for k in pitches]
            share = np.mean([harmonic_share(wave, k) for wave, k in notes if wave.any()])
            assert share > 0.6, (sound.name, font.name, share)


def harmonic_share(wave, pitch):
    """Share of energy at multiples of a pitch."""
    wave = wave[800:12_800]
    energy = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / 16_000)
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    near = (hertz > f0 / 2) & (np.abs(hertz - f0 * np.round(hertz / f0)) < 0.04 * f0)
    return energy[near].sum() / energy.sum()


def test_unseen_never_uses_a_training_font(music):
    for sound in music.classes("unseen"):
        assert {font.role for font, _ in music.sources("unseen", sound)} == {"unseen"}
        assert {font.role for font, _ in music.sources("train", sound)} == {"training"}
    with pytest.raises(InputError, match="train, validation, test, unseen"):
        music.classes("holiday")


def test_level_ignores_silence_and_survives_garbage():
    burst = np.zeros(16_000, dtype=np.float32)
    burst[:512] = 0.5
    assert np.isclose(np.sqrt(np.mean(level(burst)[:512] ** 2)), LEVEL, rtol=1e-3)
    assert not level(np.zeros(2_000, dtype=np.float32)).any()
    assert not level(np.full(2_000, np.nan, dtype=np.float32)).any()


def test_training_batches_are_functions_of_the_step(music):
    from dataclasses import replace

    from mars_lib import config

    training = config.smoke().training
    stream, again = (MixtureStream(music, "train", training) for _ in range(2))
    later = stream.batch(9)
    stream.batch(0)
    for field in ("mixture", "references", "labels"):
        assert torch.equal(getattr(stream.batch(9), field), getattr(later, field))
        assert torch.equal(getattr(again.batch(9), field), getattr(later, field))
    assert torch.allclose(later.mixture, later.references.sum(dim=1))
    assert (later.labels[:, 0] != later.labels[:, 1]).all()
    other = MixtureStream(music, "train", replace(training, seed=1)).batch(9)
    assert not torch.equal(other.mixture, later.mixture)


@pytest.mark.parametrize("split", manifests.SPLITS)
def test_manifests_can_be_made_again(split, music):
    rows = manifests.read(split)
    assert len(rows) >= 400
    # Backwards: what was played before must not matter.
    some = rows[::-60]
    mixtures = [manifests.render(row, music)[0] for row in some]
    assert manifests.verify(some, mixtures) == 0
    assert all(row.classes[0] != row.classes[1] for row in rows)
    # A query is never the clip that it asks for.
    assert all(set(row.clips).isdisjoint(row.query_clips) for row in rows)
    if split == "unseen":
        allowed = {s.name for s in music.classes("unseen")}
        assert {name for row in rows for name in row.classes} <= allowed


def test_a_changed_mixture_is_noticed(music):
    rows = manifests.read("test")[:2]
    mixtures = [manifests.render(row, music)[0] for row in rows]
    with pytest.warns(UserWarning, match="1 of 2 mixtures"):
        assert manifests.verify(rows, [mixtures[0], mixtures[1] + 0.01]) == 1


def test_unknown_class_in_an_example():
    with pytest.raises(InputError, match="kazoo"):
        manifests.example("kazoo")


def test_a_soundfont_path_that_is_none(tmp_path, monkeypatch):
    path = tmp_path / "fake.sf2"
    path.write_bytes(b"RIFF....WAVE")
    with pytest.raises(InputError, match="is no soundfont"):
        soundfonts.find((str(path),))
    with pytest.raises(InputError, match="is not there"):
        soundfonts.find((str(tmp_path / "nothing.sf2"),))
    monkeypatch.setenv("MARS_SOUNDFONTS", str(path))
    with pytest.raises(InputError, match="is no soundfont"):
        soundfonts.find()
    assert len(soundfonts.find(listed_only=True)) == 2


def test_a_damaged_soundfont_is_named(tmp_path, music):
    whole = music.fonts[0].path.read_bytes()
    path = tmp_path / "half.sf2"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="half.sf2: is a damaged soundfont"):
        soundfonts.find((str(path),))
    copy = tmp_path / "copy.sf2"
    copy.write_bytes(whole)
    assert soundfonts.find((str(copy),))[-1].name == "copy"


def test_a_font_without_a_split_says_so(music):
    only_training = MiniMusic(music.fonts[:1], 1_000)
    with pytest.raises(InputError, match="has no soundfont"):
        only_training.classes("unseen")


@pytest.mark.parametrize("split", manifests.SPLITS)
def test_the_fixed_sets_are_those_that_are_drawn(split):
    rows, classes = manifests.read(split), manifests.music().classes(split)
    drawn = manifests.make(split, len(rows), list(classes))
    assert [replace(row, checksum="") for row in rows] == drawn and len(rows) == 500
