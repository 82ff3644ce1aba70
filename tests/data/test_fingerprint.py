"""Every data set says by content what it holds: names, sizes and times are not enough."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from mars_lib.data import manifests
from mars_lib.data.cached_music import CachedMusic
from mars_lib.data.csv_music import CsvMusic
from mars_lib.data.fingerprint import BLOCK, content
from mars_lib.data.folders import FolderMusic
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.data.synthesis import soundfonts
from tests.data.few import few
from tests.data.soundfont_bank import tone, write_bank


@pytest.fixture
def own(tmp_path):
    """Two classes of three short sounds, and lists of them."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "own"
    for name in "ab":
        (folder / name).mkdir(parents=True)
        for i in range(3):
            soundfile.write(folder / name / f"{i}.wav", 0.1 * rng.standard_normal(4_000), 16_000)
        (folder / name / "000001.jpg").write_bytes(b"a picture")
    rows = [f"{name}/{i}.wav,{name},1,{name}\n" for name in "ab" for i in range(3)]
    for split in ("train", "val"):
        (folder / f"{split}.csv").write_text("".join(rows))
    return folder


@pytest.mark.parametrize("kind", [FolderMusic, CsvMusic])
def test_data_sets_of_equal_names_and_sizes_are_told_apart(own, kind, tmp_path):
    before = kind(own, 1_000).fingerprint()
    copy = shutil.copytree(own, tmp_path / "elsewhere" / "copy")
    os.utime(copy / "a" / "0.wav", (0, 0))
    assert kind(copy, 1_000).fingerprint() == before
    assert kind(copy, 1_001).fingerprint() != before
    for name in ("a/1.wav", "b/000001.jpg"):
        file, old = copy / name, (copy / name).read_bytes()
        file.write_bytes(old[:-1] + bytes([old[-1] ^ 1]))
        assert kind(copy, 1_000).fingerprint() != before
        file.write_bytes(old)
    assert kind(copy, 1_000).fingerprint() == before
    (copy / "b" / "2.wav").rename(copy / "b" / "3.wav")
    assert kind(copy, 1_000).fingerprint() != before


def test_another_list_is_another_data_set(own):
    before = CsvMusic(own, 1_000).fingerprint()
    rows = (own / "val.csv").read_text().splitlines()
    (own / "val.csv").write_text("\n".join([*rows[1:], rows[0]]) + "\n")
    assert CsvMusic(own, 1_000).fingerprint() != before


def test_a_soundfont_is_known_by_its_content(tmp_path):
    prints = set()
    for name, hertz in (("one", 440.0), ("two", 441.0)):
        path = write_bank(tmp_path / f"{name}.sf2", [tone(hertz)], [{}], program=40)
        prints.add(MiniMusic((soundfonts.Soundfont("same", path),), 1_000).fingerprint())
    again = shutil.copy(path, tmp_path / "three.sf2")
    unseen = MiniMusic((soundfonts.Soundfont("same", path, "unseen"),), 1_000)
    prints |= {MiniMusic((soundfonts.Soundfont("other", again),), 1_000).fingerprint()}
    assert len(prints) == 2 and unseen.fingerprint() not in prints


def test_what_a_run_replaces_counts_and_a_memory_does_not():
    music = manifests.music()
    others = (replace(music, length=9), few(music.length), PooledMusic(music))
    assert len({each.fingerprint() for each in (music, *others)}) == 4
    assert CachedMusic(music).fingerprint() == music.fingerprint()


def test_a_long_file_is_known_by_three_blocks_and_a_font_whole(tmp_path):
    file, size = tmp_path / "long", 10 * BLOCK
    found, whole = [], []
    # Within the head, the middle and the tail, and between them.
    for place in (None, 0, size // 2, size - 1, 2 * BLOCK):
        samples = bytearray(size)
        if place is not None:
            samples[place] = 1
        file.write_bytes(samples)
        found.append(content(file))
        whole.append(content(file, whole=True))
    assert len(set(found[:4])) == 4 and found[4] == found[0] and len(set(whole)) == 5
    assert content(tmp_path / "none") is None
