import json

import pytest
from PIL import Image

from mars_lib.check import InputError
from mars_lib.data.pictures import SIZE
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.experiments import richer_music
from mars_lib.experiments.richer_music import RicherMusic, further_pictures
from mars_lib.io import assets
from tests.data.few import few


def test_descriptions_and_further_pictures_are_for_training_alone(tmp_path):
    inner = few(4_000)
    name = inner.classes("train")[0].name
    path = tmp_path / "other.png"
    Image.new("RGBA", (16, 16)).save(path)
    music = RicherMusic(inner, progress=False, further={name: [path]})
    for split in ("train", "validation", "test"):
        plain, richer = inner.classes(split)[0], music.classes(split)[0]
        more = split in ("train", "validation")
        assert richer.name == plain.name and (len(richer.prompts()) > len(plain.prompts())) == more
        assert (path in music.pictures(richer, split)) == more
        assert set(inner.pictures(plain, split)) <= set(music.pictures(richer, split))
    other = RicherMusic(inner, progress=False)
    assert other.fingerprint() != music.fingerprint()
    assert other.music.fingerprint() == music.music.fingerprint()


def test_the_table_names_classes_and_no_picture_twice():
    table = json.loads((assets.folder() / "clip_art.json").read_text(encoding="utf-8"))
    assert set(table) <= {sound.name for sound in sound_classes()}
    names = [name for names in table.values() for name in names]
    assert len(names) == len(set(names)) > 40
    assert {name.partition(":")[0] for name in names} == {"emoji", "openclipart"}


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(richer_music, "EMOJI", tmp_path / "no.ttf")
    with pytest.raises(InputError, match="apt-get install fonts-noto-color-emoji openclipart-png"):
        further_pictures(tmp_path / "pictures")
    assert not (tmp_path / "pictures").exists()


def test_what_a_picture_shows_stands_in_the_middle_of_a_square(tmp_path, monkeypatch):
    monkeypatch.setattr(richer_music, "CLIP_ART", tmp_path)
    shown = Image.new("RGBA", (300, 200), (255, 255, 255, 0))
    shown.paste((200, 0, 0, 255), (10, 20, 110, 60))
    shown.save(tmp_path / "kazoo.png")
    (path,) = richer_music._written(tmp_path / "out", ["openclipart:kazoo"])
    with Image.open(path) as found:
        left, top, right, bottom = found.getchannel("A").getbbox()
        assert found.size == (SIZE, SIZE)
    assert abs(left + right - SIZE) <= 4 and abs(top + bottom - SIZE) <= 4
    assert (right - left) / (bottom - top) == pytest.approx(2.5, rel=0.1)
