"""Every kind of data set offers what the Protocol `Music` says, under the same names."""

import inspect
from dataclasses import replace

import pytest

from mars_lib.data.cached_music import CachedMusic
from mars_lib.data.csv_music import CsvMusic
from mars_lib.data.folders import FolderMusic
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.music import Music

KINDS = {
    MiniMusic: lambda folder: MiniMusic((), 1_000),
    FolderMusic: lambda folder: FolderMusic(folder, 1_000),
    CsvMusic: lambda folder: CsvMusic(folder, 1_000),
    CachedMusic: lambda folder: CachedMusic(FolderMusic(folder, 1_000)),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_data_set_has_the_methods_of_music_with_their_arguments(kind):
    for name in ("classes", "clip", "recording", "pictures", "fingerprint"):
        wanted = inspect.signature(getattr(Music, name)).parameters.values()
        found = inspect.signature(getattr(kind, name)).parameters.values()
        assert [(p.name, p.default) for p in found] == [(p.name, p.default) for p in wanted], name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_data_set_says_its_sizes_and_others_can_be_made_of_it(kind, tmp_path):
    music = KINDS[kind](tmp_path)
    assert (music.length, music.sample_rate, music.augment) == (1_000, 16_000, 0.0)
    other = replace(music, length=2_000, augment=0.5)
    assert (other.length, other.sample_rate, other.augment) == (2_000, 16_000, 0.5)
