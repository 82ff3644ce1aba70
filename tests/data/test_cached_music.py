"""A memory of clips: each is rendered once while it is held, and what it holds is bounded."""

import numpy as np
import pytest

from mars_lib.data.array_cache import ArrayCache
from mars_lib.data.cached_music import CachedMusic
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.random_streams import Stream
from tests.data.few import few


@pytest.fixture
def rendered(monkeypatch):
    """The numbers of the clips that were rendered."""
    numbers, real = [], MiniMusic.clip
    monkeypatch.setattr(
        MiniMusic, "clip", lambda self, *each: numbers.append(each[2]) or real(self, *each)
    )
    return numbers


def test_a_clip_is_rendered_once_for_each_stream(rendered):
    music, stream = CachedMusic(few(4_000)), Stream("separator clips")
    sound = music.classes("train")[0]
    plain = music.clip("train", sound, 0, stream)
    assert music.clip("train", sound, 0, Stream("separator clips")) is plain and len(rendered) == 1
    other = music.clip("train", sound, 0, Stream("query clips"))
    assert len(rendered) == 2 and not np.array_equal(plain, other)
    assert music.recording("train", sound, 0, stream) == "0" and len(rendered) == 2


def test_the_memory_is_bounded_and_what_was_used_last_stays(rendered):
    music = CachedMusic(few(4_000), clips=ArrayCache(3 * 4 * 4_000))
    sound = music.classes("train")[0]
    for number in (0, 1, 2, 0, 3, 0, 1):
        music.clip("train", sound, number)
        assert music.clips.size <= music.clips.limit
    assert rendered == [0, 1, 2, 3, 1]
