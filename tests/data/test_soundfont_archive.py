"""Soundfonts packed and unpacked: the same clips, and what is said of damaged archives."""

import errno
import json
import os
import zipfile

import numpy as np
import pytest

from mars_lib.check import InputError
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.synthesis import soundfont_archive, soundfonts
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.data.synthesis.sampler import Sampler
from mars_lib.data.synthesis.soundfont_archive import CONTENTS, pack, unpack
from mars_lib.data.synthesis.soundfonts import Soundfont
from tests.data.soundfont_bank import RATE, tone, two_banks, write_bank
from tests.test_fuzz import harmless, odd


@pytest.fixture(scope="module")
def wheels():
    """The fonts that the course installs."""
    return soundfonts.listed()


@pytest.fixture(scope="module")
def unpacked(wheels, tmp_path_factory):
    """Those fonts after packing and unpacking."""
    folder = tmp_path_factory.mktemp("packed")
    packed = pack(folder / "fonts.zip", [font.path for font in wheels])
    assert [font.before for font in packed] == [font.path.stat().st_size for font in wheels]
    paths = unpack(folder / "fonts.zip", folder / "out")
    return [Soundfont(font.name, path, font.role) for font, path in zip(wheels, paths)]


@pytest.fixture
def banks(tmp_path):
    return two_banks(tmp_path / "fonts")


@pytest.mark.parametrize("number", [0, 1])
def test_every_class_plays_the_same_bits(wheels, unpacked, number):
    before, after = (Sampler(fonts[number].path) for fonts in (wheels, unpacked))
    heard = 0
    for sound in sound_classes():
        low, high = sound.range
        keys = sound.drum_keys or (low, (low + high) // 2, high)
        drums, held = bool(sound.drum_keys), 6.0 if sound.style == "effect" else 4.0
        for program in sound.programs or (0,):
            for velocity in (20, 64, 127):
                notes = [(2.0 * i, held, key, velocity) for i, key in enumerate(keys)]
                whole, cut = (
                    bank.play(program, notes, 2.0 * len(keys) + 4.0, drums=drums)
                    for bank in (before, after)
                )
                assert np.array_equal(whole, cut), sound.name
                heard += whole.any()
    assert heard > 50


def test_clips_and_splits_are_the_same(wheels, unpacked):
    before, after = (MiniMusic(tuple(fonts), 20_000) for fonts in (wheels, unpacked))
    for split in ("train", "unseen"):
        classes = before.classes(split)
        assert classes == after.classes(split)
        for sound in classes[::3]:
            assert np.array_equal(before.clip(split, sound, 1), after.clip(split, sound, 1))


def test_the_rest_is_silent_and_takes_no_room(wheels, unpacked):
    for font, cut in zip(wheels, unpacked):
        assert cut.path.stat().st_size == font.path.stat().st_size
        assert cut.path.stat().st_blocks * 512 < 0.8 * font.path.stat().st_size
    celesta = [(0.0, 1.0, 70, 100)]
    whole, cut = (Sampler(fonts[0].path).play(8, celesta, 1.0) for fonts in (wheels, unpacked))
    assert whole.any() and not cut.any()


def test_an_archive_depends_on_nothing_but_what_is_played(unpacked, tmp_path):
    again = tmp_path / "again.zip"
    pack(again, [font.path for font in unpacked])
    first = unpacked[0].path.parents[1] / "fonts.zip"
    assert again.read_bytes() == first.read_bytes()
    assert first.stat().st_size < 0.5 * sum(font.path.stat().st_size for font in unpacked)


def test_what_two_fonts_share_is_held_once(banks, tmp_path):
    one, two = pack(tmp_path / "both.zip", banks)
    alone = pack(tmp_path / "alone.zip", banks[1:])[0]
    assert two.after < 0.7 * alone.after and two.before == one.before
    for bank, path in zip(banks, unpack(tmp_path / "both.zip", tmp_path / "out")):
        # Every sample of these fonts is played, and what lies between is zero.
        assert path.read_bytes() == bank.read_bytes()
    twin = tmp_path / "twin.sf2"
    twin.write_bytes(banks[0].read_bytes())
    pack(tmp_path / "twins.zip", [banks[0], twin])
    assert "twin.flac" not in zipfile.ZipFile(tmp_path / "twins.zip").namelist()
    assert unpack(tmp_path / "twins.zip", tmp_path / "twins")[1].read_bytes() == twin.read_bytes()


def test_a_recording_that_is_longer_in_the_second_font(tmp_path):
    for name, seconds in (("short", 0.2), ("long", 0.5)):
        write_bank(tmp_path / f"{name}.sf2", [tone(seconds=seconds)], [{}])
    fonts = [tmp_path / "short.sf2", tmp_path / "long.sf2"]
    pack(tmp_path / "fonts.zip", fonts)
    second = contents(tmp_path / "fonts.zip")["fonts"][1]
    assert [row[1] for row in second["copies"]] == [2 * int(0.2 * RATE)]
    assert [row[1] for row in second["samples"]] == [2 * int(0.3 * RATE)]
    for font, path in zip(fonts, unpack(tmp_path / "fonts.zip", tmp_path / "out")):
        assert path.read_bytes() == font.read_bytes()


def test_the_last_bits_of_24_are_left_out_and_the_file_keeps_its_layout(banks, tmp_path):
    whole = banks[0].read_bytes()
    at = whole.index(b"LIST", whole.index(b"smpl"))
    fine = b"LIST" + (4 + 8 + 500).to_bytes(4, "little") + b"sdta"
    fine += b"sm24" + (500).to_bytes(4, "little")
    size = len(whole) - 8 + len(fine) + 500
    banks[0].write_bytes(
        whole[:4] + size.to_bytes(4, "little") + whole[8:at] + fine + b"\7" * 500 + whole[at:]
    )
    pack(tmp_path / "fine.zip", banks[:1])
    (path,) = unpack(tmp_path / "fine.zip", tmp_path / "out")
    assert path.read_bytes() == banks[0].read_bytes().replace(b"\7" * 500, bytes(500))


def contents(path):
    return json.loads(zipfile.ZipFile(path).read(CONTENTS))


def with_contents(path, said):
    """The archive with other contents, its checksums in order."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (members | {CONTENTS: json.dumps(said).encode()}).items():
            file.writestr(name, content)


def refused(archive, folder, says):
    with pytest.raises(InputError, match=says) as caught:
        unpack(archive, folder)
    assert "\n" not in str(caught.value)
    assert not folder.exists() or list(folder.iterdir()) == []


def test_damaged_and_foreign_archives_leave_nothing(banks, tmp_path):
    archive, out = tmp_path / "fonts.zip", tmp_path / "out"
    refused(archive, out, "is not there")
    pack(archive, banks)
    whole = archive.read_bytes()
    for cut in (30, len(whole) // 2, len(whole) - 10):
        archive.write_bytes(whole[:cut])
        refused(archive, out, "is a damaged archive")
    turned = bytearray(whole)
    turned[whole.index(b"fLaC") + 300] ^= 1
    archive.write_bytes(turned)
    refused(archive, out, "is a damaged archive.*CRC")
    for foreign in (b"", b"some text"):
        archive.write_bytes(foreign)
        refused(archive, out, "is no archive of soundfonts")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("photo.png", b"")
    refused(archive, out, "is no archive of soundfonts")
    archive.write_bytes(whole)
    assert len(unpack(archive, out)) == 2


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "a\\b", "C:evil", "", ".", "..", " ", "a\0b", 7, "x" * 300]
)
def test_names_that_leave_the_folder_are_refused(banks, tmp_path, name):
    archive, out = tmp_path / "fonts.zip", tmp_path / "deep" / "out"
    pack(archive, banks)
    said = contents(archive)
    said["fonts"][0]["name"] = name
    with_contents(archive, said)
    refused(archive, out, "holds a file named")
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda said: said.update(kind="photos"), "is no archive of soundfonts"),
        (lambda said: said.update(version=2), "packed by another version"),
        (lambda said: said["fonts"][0].update(sha256="0" * 64), "one.sf2 has another checksum"),
        (lambda said: said["fonts"][0].update(size=2**40), "parts outside the file"),
        (lambda said: said["fonts"][0]["samples"][0].__setitem__(0, 0), "parts that overlap"),
        (lambda said: said["fonts"][1]["copies"][0].__setitem__(3, 2**30), "outside a file"),
        (lambda said: said["fonts"][1]["copies"][0].__setitem__(2, "../one"), "is a damaged"),
        (lambda said: said["fonts"].reverse(), "is a damaged archive"),
    ],
)
def test_contents_that_no_archive_has(banks, tmp_path, change, says):
    archive, out = tmp_path / "fonts.zip", tmp_path / "out"
    pack(archive, banks)
    said = contents(archive)
    change(said)
    with_contents(archive, said)
    refused(archive, out, says)


@pytest.mark.parametrize("seed", range(60))
def test_odd_contents_do_no_harm(banks, tmp_path, seed):
    archive = tmp_path / "fonts.zip"
    pack(archive, banks)
    said, rng = contents(archive), np.random.default_rng(seed)
    if rng.random() < 0.8:
        row = said["fonts"][rng.integers(2)]
        rows = row[("rest", "samples", "copies")[rng.integers(3)]]
        if rows and rng.random() < 0.7:
            part = rows[rng.integers(len(rows))]
            part[rng.integers(len(part))] = odd(None, rng)
        else:
            row[list(row)[rng.integers(len(row))]] = odd(None, rng)
    with_contents(archive, said if rng.random() < 0.9 else odd(said, rng))
    harmless(lambda path: unpack(path, tmp_path / "out"), archive, f"seed {seed}")
    assert {path.name for path in tmp_path.iterdir()} <= {"fonts", "fonts.zip", "out"}


def test_finished_files_stay_and_others_are_not_touched(banks, tmp_path):
    archive, out = tmp_path / "fonts.zip", tmp_path / "out"
    pack(archive, banks)
    first, second = unpack(archive, out)
    second.unlink()
    os.utime(first, ns=(1, 1))
    assert unpack(archive, out) == [first, second]
    assert first.stat().st_mtime_ns == 1 and second.read_bytes() == banks[1].read_bytes()
    second.write_bytes(b"mine")
    first.unlink()
    with pytest.raises(InputError, match="two.sf2: is another file; remove it"):
        unpack(archive, out)
    assert second.read_bytes() == b"mine" and not first.exists()
    with pytest.raises(InputError, match="fonts.zip: is there already; remove it"):
        pack(archive, banks)


def test_fonts_that_cannot_be_packed(banks, tmp_path):
    archive = tmp_path / "fonts.zip"
    unplayed = write_bank(tmp_path / "celesta.sf2", [tone()], [{}], program=8)
    colon = tmp_path / "a:b.sf2"
    colon.write_bytes(unplayed.read_bytes())
    other = tmp_path / "ONE.sf2"
    other.write_bytes(unplayed.read_bytes())
    for font, says in (
        (tmp_path / "none.sf2", "is not there"),
        (__file__, "is no soundfont"),
        (unplayed, "plays none of our classes"),
        (colon, "has a name that not every system allows"),
        (other, "has the name of another one"),
    ):
        with pytest.raises(InputError, match=says):
            pack(archive, [*banks, font])
        assert not archive.exists()


def test_a_full_disk_leaves_nothing(banks, tmp_path, monkeypatch):
    archive, out = tmp_path / "fonts.zip", tmp_path / "out"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "writestr", full)
        with pytest.raises(InputError, match="fonts.zip: does not fit: the disk is full"):
            pack(archive, banks)
    assert [path.name for path in tmp_path.iterdir()] == ["fonts"]
    pack(archive, banks)
    with monkeypatch.context() as patch:
        patch.setattr(soundfont_archive, "_write", full)
        refused(archive, out, "one.sf2: does not fit: the disk is full")
    assert len(unpack(archive, out)) == 2
