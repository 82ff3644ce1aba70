"""Pools of recordings, which are never stale; and what of all pools is listed and removed."""

import json
import os
import threading

import numpy as np
import pytest
import soundfile

from mars_lib.check import InputError
from mars_lib.data import clip_pool, kept_pools
from mars_lib.data.clip_pool import ClipPool
from mars_lib.data.fingerprint import BLOCK
from mars_lib.data.folders import FolderMusic
from mars_lib.data.mixtures import CLIPS
from tests.data.few import few, pooled

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def own(tmp_path):
    """A folder of two classes, of twelve tones of ten seconds each."""
    for name, hertz in (("kettle", 300), ("creaky door", 500)):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(12):
            tone = 0.3 * np.sin(2 * np.pi * (hertz + 40 * i) * np.arange(160_000) / 16_000)
            soundfile.write(tmp_path / "own" / name / f"{i}.wav", tone, 16_000)
    return tmp_path / "own"


def test_recordings_go_the_same_way_and_are_told_apart(own):
    plain = FolderMusic(own, 8_000)
    music = pooled(plain)
    music.ready("train", CLIPS, 6)
    sound = music.classes("train")[0]
    kept = [music.recording("train", sound, i, CLIPS) for i in range(6)]
    real = [plain.recording("train", sound, i, CLIPS) for i in range(6)]
    assert len(set(real)) > 1
    for i in range(6):
        assert [kept[i] == each for each in kept] == [real[i] == each for each in real]
        clip = plain.clip("train", sound, i, CLIPS)
        assert np.abs(music.clip("train", sound, i, CLIPS) - clip).max() < 1e-4


def test_several_processes_make_a_pool_of_recordings(own, cache, monkeypatch):
    """Each gets a copy of the data set, with an empty memory."""
    pooled(FolderMusic(own, 4_000)).ready("train", CLIPS, 3)
    files = {file.name: file.read_bytes() for file in cache.rglob("*.npy")}
    assert len(files) == 2 and kept_pools.clear() == 1
    monkeypatch.setattr(clip_pool, "ALONE_SECONDS", 0.0)
    music = FolderMusic(own, 4_000)
    music.clip("train", music.classes("train")[0], 0, CLIPS)
    pooled(music, workers=2).ready("train", CLIPS, 3)
    assert {file.name: file.read_bytes() for file in cache.rglob("*.npy")} == files


def test_an_edit_that_no_digest_sees_has_a_pool_of_its_own(own):
    """Between the three blocks of a long recording, with its size and time put back."""
    before = FolderMusic(own, 4_000)
    folder, known = ClipPool(before, "train", CLIPS).folder, before.fingerprint()
    path = before.classes("train")[0].sounds[-1]
    times, sound = path.stat(), bytearray(path.read_bytes())
    sound[BLOCK + 100 : BLOCK + 8_100] = bytes(8_000)
    path.write_bytes(sound)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = FolderMusic(own, 4_000)
    assert len(sound) > 3 * BLOCK and after.fingerprint() == known
    assert ClipPool(after, "train", CLIPS).folder != folder


def test_times_of_short_recordings_and_of_soundfonts_do_not_count(own):
    path = FolderMusic(own, 4_000).classes("train")[0].sounds[-1]
    soundfile.write(path, np.sin(np.arange(16_000)), 16_000)
    folder = ClipPool(FolderMusic(own, 4_000), "train", CLIPS).folder
    os.utime(path, (1, 1))
    assert ClipPool(FolderMusic(own, 4_000), "train", CLIPS).folder == folder
    assert not any(sound.sounds for sound in few().classes("train"))


def test_pools_are_listed_and_cleared(cache):
    pooled().ready("train", CLIPS, 1)
    (cache / "clips" / "0123456789abcdef").mkdir()
    (cache / "clips" / "0123456789abcdef" / "about.json").write_text("{")
    found = {each.folder.name: each for each in kept_pools.kept()}
    assert len(found) == 2 and found["0123456789abcdef"].about == {}
    own = next(each for each in found.values() if each.about)
    assert own.about["stream"] == "separator clips" and own.about["length"] == 4_000
    size = sum(file.stat().st_size for file in own.folder.glob("*.npy"))
    assert own.gigabytes == size / 1e9 and json.dumps(own.about)
    with pytest.raises(InputError, match="pool 'nothing': is not there; give one of"):
        kept_pools.clear(("nothing",))
    assert kept_pools.clear((own.folder.name,)) == 1 and not own.folder.exists()
    assert kept_pools.clear() == 1 and list(kept_pools.kept()) == []


def test_what_is_no_pool_is_neither_listed_nor_removed(cache):
    foreign = ("notes", "0123456789ABCDEF", "0123456789abcdef0", "0123456789abcde")
    for name in foreign:
        (cache / "clips" / name).mkdir(parents=True)
    (cache / "clips" / "0123456789abcdef").write_text("a file")
    assert list(kept_pools.kept()) == [] and kept_pools.clear() == 0
    for name in foreign:
        with pytest.raises(InputError, match="is not there; give one of none"):
            kept_pools.clear((name,))
    assert len(list((cache / "clips").iterdir())) == 5


def test_a_pool_that_is_being_made_is_not_removed():
    music = few(4_000)
    pooled(music).ready("train", CLIPS, 1)
    pool = ClipPool(music, "train", CLIPS)
    with (
        kept_pools.lock_of(pool.folder),
        pytest.raises(InputError, match="pool .*: is being made, or removed, by another process"),
    ):
        kept_pools.clear()
    assert all(path.is_file() for path in pool.files().values())


def test_a_pool_that_waits_while_it_is_removed_is_made_whole():
    music = few(4_000)
    pooled(music).ready("train", CLIPS, 1)
    pool = ClipPool(music, "train", CLIPS)
    with kept_pools.lock_of(pool.folder):
        thread = threading.Thread(target=lambda: pooled(music).ready("train", CLIPS, 2))
        thread.start()
        for path in pool.files().values():
            path.unlink()
    thread.join()
    assert all(clip_pool.rows(path, 4_000) == 2 for path in pool.files().values())


def test_two_who_remove_pools_at_once_do_not_trip_over_each_other(cache):
    names = [f"{number:016x}" for number in range(60)]
    for name in names:
        (cache / "clips" / name / "more").mkdir(parents=True)
    said = []

    def remove():
        try:
            said.append(kept_pools.clear())
        except InputError as error:
            said.append(str(error))
        except BaseException as error:
            said.append(error)

    threads = [threading.Thread(target=remove) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 4 and all(isinstance(each, int | str) for each in said), said
    kept_pools.clear()
    assert list(kept_pools.kept()) == []
    (cache / "clips" / names[0]).mkdir()
    assert kept_pools.clear((names[0], names[0])) == 1


def test_of_a_pool_that_is_a_link_the_link_is_removed(cache, tmp_path):
    music = few(4_000)
    pooled(music).ready("train", CLIPS, 1)
    folder = ClipPool(music, "train", CLIPS).folder
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert kept_pools.clear() == 1 and list(kept_pools.kept()) == []
    assert len(list((tmp_path / "elsewhere").glob("*.npy"))) == len(music.classes("train"))


@pytest.mark.parametrize(
    "change",
    [{"length": "4000"}, {"sample_rate": 0}, {"sample_rate": [1]}, {"stream": 3}, {"split": None}],
)
def test_an_odd_account_of_a_pool_is_none(cache, change):
    pooled().ready("train", CLIPS, 1)
    (file,) = cache.rglob("about.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    (found,) = kept_pools.kept()
    assert found.about == {} and found.gigabytes > 0


def test_a_cache_that_is_a_file_is_neither_listed_nor_cleared(cache):
    cache.write_text("")
    for command in (lambda: list(kept_pools.kept()), kept_pools.clear):
        with pytest.raises(InputError, match="cache .*: is no folder; set MARS_CACHE"):
            command()
