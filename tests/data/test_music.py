"""Every kind of data set offers what the Protocol `Music` says, under the same names."""

import inspect
from dataclasses import replace

import pytest

from mars_lib.data.cached_music import CachedMusic
from mars_lib.data.csv_music import CsvMusic
from mars_lib.data.folders import FolderMusic
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.music import Music
from mars_lib.data.pooled_music import PooledMusic

KINDS = {
    MiniMusic: lambda folder: MiniMusic((), 1_000),
    FolderMusic: lambda folder: FolderMusic(folder, 1_000),
    CsvMusic: lambda folder: CsvMusic(folder, 1_000),
}


@pytest.mark.parametrize("kind", [*KINDS, CachedMusic, PooledMusic], ids=lambda kind: kind.__name__)
def test_a_data_set_has_the_methods_of_music_with_their_arguments(kind):
    for name in ("classes", "clip", "recording", "pictures", "fingerprint"):
        wanted = inspect.signature(getattr(Music, name)).parameters.values()
        found = inspect.signature(getattr(kind, name)).parameters.values()
        assert [(p.name, p.default) for p in found] == [(p.name, p.default) for p in wanted], name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_data_set_says_its_sizes_and_others_can_be_made_of_it(kind, tmp_path):
    music = KINDS[kind](tmp_path)
    assert (music.length, music.sample_rate) == (1_000, 16_000)
    other = replace(music, length=2_000)
    assert (other.length, other.sample_rate) == (2_000, 16_000)


@pytest.mark.parametrize("kind", [CachedMusic, PooledMusic])
def test_what_stands_before_a_data_set_has_its_sizes(kind, tmp_path):
    music = kind(FolderMusic(tmp_path, 1_000))
    assert (music.length, music.sample_rate) == (1_000, 16_000)
