"""Clips on the disk: they are those of the data set in 16 bits, made once, and never stale."""

import errno
import multiprocessing
import os
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest

from mars_lib.check import InputError
from mars_lib.data import clip_pool, kept_pools, mini_music
from mars_lib.data.clip_pool import ClipPool
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.mixtures import CLIPS
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.data.random_streams import Stream
from tests.data.few import few, pooled

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def rendered(monkeypatch):
    """(class, number) of the clips that this process made."""
    made, real = [], MiniMusic.clip
    monkeypatch.setattr(
        MiniMusic, "clip", lambda self, *each: made.append(each[1:3]) or real(self, *each)
    )
    return made


def test_a_pool_holds_the_clips_of_the_data_set_in_16_bits(rendered):
    music, plain = pooled(), few(4_000)
    music.ready("train", CLIPS, 3)
    rendered.clear()
    for sound in music.classes("train"):
        for index in range(3):
            clip = music.clip("train", sound, index, CLIPS)
            assert clip.dtype == np.float32 and clip.shape == (4_000,)
            rendered_again = plain.clip("train", sound, index, CLIPS)
            step = np.abs(rendered_again).max() / 32_767
            assert np.abs(clip - rendered_again).max() <= 0.51 * step
    assert len(rendered) == 3 * len(music.classes("train"))  # of `plain` alone
    # What is in no pool is made: other streams, other splits, manifests, later clips.
    sound = music.classes("train")[0]
    for split, index, stream in (
        ("train", 3, CLIPS),
        ("train", 0, None),
        ("train", 0, Stream("query clips")),
        ("validation", 0, CLIPS),
    ):
        assert np.array_equal(
            music.clip(split, sound, index, stream), plain.clip(split, sound, index, stream)
        )


def test_a_pool_is_made_once_and_grows(rendered, cache):
    pooled().ready("train", CLIPS, 2)
    files = sorted(cache.rglob("*.npy"))
    before = {file: file.stat().st_mtime_ns for file in files}
    assert len(files) == len(few(4_000).classes("train"))
    rendered.clear()
    pooled().ready("train", CLIPS, 1)
    assert not rendered and {file: file.stat().st_mtime_ns for file in files} == before
    pooled().ready("train", CLIPS, 4)
    # A look at two clips of a class tells how long it takes; of every class two are new.
    numbers = [number for sound, number in rendered if sound == few().classes("train")[1]]
    assert numbers == [2, 3]
    assert all(clip_pool.rows(file, 4_000) == 4 for file in files)


def test_a_pool_that_has_grown_is_read_to_its_end(rendered):
    music = pooled()
    sound = music.classes("train")[1]
    music.ready("train", CLIPS, 1)
    first = music.clip("train", sound, 0, CLIPS)
    music.ready("train", CLIPS, 3)
    rendered.clear()
    assert np.array_equal(music.clip("train", sound, 0, CLIPS), first)
    music.clip("train", sound, 2, CLIPS)
    assert not rendered


def test_a_pool_that_is_removed_while_it_is_read_is_missed():
    """What is mapped is read on; nothing is rendered in passing."""
    music = pooled()
    music.ready("train", CLIPS, 1)
    one, other = music.classes("train")[:2]
    first = music.clip("train", one, 0, CLIPS)
    kept_pools.clear()
    assert np.array_equal(music.clip("train", one, 0, CLIPS), first)
    with pytest.raises(InputError, match=r"clip pool .* has lost 001-.*\.npy; start again"):
        music.clip("train", other, 0, CLIPS)


def test_processes_make_the_same_files_as_one(cache, monkeypatch):
    pooled().ready("train", CLIPS, 2)
    files = {file.name: file.read_bytes() for file in cache.rglob("*.npy")}
    kept_pools.clear()
    monkeypatch.setattr(clip_pool, "ALONE_SECONDS", 0.0)
    pooled(workers=2).ready("train", CLIPS, 2)
    assert {file.name: file.read_bytes() for file in cache.rglob("*.npy")} == files


def test_other_sounds_lengths_renderers_and_streams_have_pools_of_their_own(monkeypatch):
    music = few(4_000)
    folders = {
        ClipPool(music, "train", CLIPS).folder,
        ClipPool(music, "validation", CLIPS).folder,
        ClipPool(music, "train", Stream("query clips")).folder,
        ClipPool(replace(music, length=4_001), "train", CLIPS).folder,
        ClipPool(replace(music, fonts=music.fonts[:1]), "train", CLIPS).folder,
    }
    for module, name in ((mini_music, "RENDERER"), (clip_pool, "FORMAT")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, 99)
            folders.add(ClipPool(music, "train", CLIPS).folder)
    assert len(folders) == 7 and ClipPool(few(4_000), "train", CLIPS).folder in folders


def test_a_soundfont_that_changed_is_never_heard_from_an_old_pool(tmp_path):
    """The same path with another content: another pool."""
    music = few(4_000)
    path = tmp_path / "own.sf2"
    path.write_bytes(music.fonts[0].path.read_bytes())
    own = replace(music, fonts=(replace(music.fonts[0], path=path),))
    before = ClipPool(own, "train", CLIPS).folder
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert ClipPool(own, "train", CLIPS).folder != before


@pytest.mark.parametrize(
    "harm", ["half", "one byte", "empty", "text", "header", "zeros", "lost tail", "other"]
)
def test_a_damaged_file_is_made_again(cache, harm):
    pooled().ready("train", CLIPS, 2)
    file = sorted(cache.rglob("*.npy"))[0]
    whole = file.read_bytes()
    if harm == "other":
        np.save(file, np.zeros(3))
    else:
        content = {
            "half": whole[: len(whole) // 2],
            "one byte": whole[:-1],
            "empty": b"",
            "text": b"no array" * 99,
            "header": whole[:128] + bytes(len(whole) - 128),
            "zeros": whole[:-16_024] + bytes(16_024),
            "lost tail": whole[:-8_012] + bytes(8_012),
        }
        assert content[harm] != whole
        file.write_bytes(content[harm])
    music = pooled()
    music.ready("train", CLIPS, 2)
    assert file.read_bytes() == whole


def test_what_was_made_before_an_interruption_stays(cache, monkeypatch):
    classes, real = few(4_000).classes("train"), MiniMusic.clip

    def stop(self, split, sound, index, stream=None):
        if sound == classes[3] and index == 1 and any(cache.rglob("*.npy")):
            raise KeyboardInterrupt
        return real(self, split, sound, index, stream)

    with monkeypatch.context() as patch:
        patch.setattr(MiniMusic, "clip", stop)
        with pytest.raises(KeyboardInterrupt):
            pooled().ready("train", CLIPS, 2)
    kept = sorted(file.name for file in cache.rglob("*"))
    assert sum(name.endswith(".npy") for name in kept) == 3
    assert not [name for name in kept if name.startswith(".mars-")]
    pooled().ready("train", CLIPS, 2)
    assert len(list(cache.rglob("*.npy"))) == len(classes)


def test_a_full_disk_and_a_limit_are_said_before_the_work(monkeypatch, cache, rendered):
    music = PooledMusic(few(4_000), workers=1, limit_gb=1e-6, progress=False)
    with pytest.raises(InputError, match="clip pool: needs .* limit is 1e-06 GB; give fewer"):
        music.ready("train", CLIPS, 200)
    monkeypatch.setattr(
        "shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000, "total": 1000})
    )
    with pytest.raises(InputError, match="GB free, the clip pool need.*MARS_CACHE"):
        pooled().ready("train", CLIPS, 200)
    assert not rendered and not list(cache.rglob("*.npy"))


def test_a_disk_that_fills_leaves_whole_files(monkeypatch, cache):
    real, saved = np.save, []

    def save(path, *each, **options):
        if len(saved) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(path)
        real(path, *each, **options)

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", save)
        with pytest.raises(InputError, match="the disk is full"):
            pooled().ready("train", CLIPS, 2)
    assert len(list(cache.rglob("*.npy"))) == 2
    pooled().ready("train", CLIPS, 2)


@pytest.mark.skipif(os.name != "posix", reason="limits of a process")
def test_a_disk_that_fills_while_numpy_writes_is_said():
    """NumPy's error has no number, as on a disk that is full."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(InputError, match=r"\.npy: does not fit: the disk is full; free some"):
            pooled().ready("train", CLIPS, 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache_is_read_and_else_named(cache):
    pooled().ready("train", CLIPS, 1)
    folder = cache / "clips"
    folder.chmod(0o500)
    try:
        pooled().ready("train", CLIPS, 1)
        with pytest.raises(InputError, match="set MARS_CACHE"):
            pooled().ready("train", CLIPS, 2)
    finally:
        folder.chmod(0o700)


def test_a_cache_that_is_a_file_is_named(cache):
    cache.write_text("")
    with pytest.raises(InputError, match=r"cache .*: cannot be written .*; set MARS_CACHE"):
        pooled().ready("train", CLIPS, 1)


def test_of_two_who_make_a_pool_one_waits(rendered):
    threads = [threading.Thread(target=lambda: pooled().ready("train", CLIPS, 2)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [number for sound, number in rendered if sound == few().classes("train")[1]]
    assert asked == [0, 1]


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(
    multiprocessing.get_start_method() != "fork", reason="the worker must inherit its death"
)
def test_a_worker_that_dies_is_said_and_what_is_made_stays(monkeypatch):
    monkeypatch.setattr(clip_pool, "ALONE_SECONDS", 0.0)
    monkeypatch.setattr(clip_pool, "_write_class", die)
    with pytest.raises(InputError, match="a worker: died.*what is made stays"):
        pooled(workers=2).ready("train", CLIPS, 2)
