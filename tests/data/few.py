"""mini-MUSIC cut down for tests that run encoders over it."""

from dataclasses import replace

from mars_lib.data import manifests
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.pooled_music import PooledMusic


class Few(MiniMusic):
    """Every sixth class of mini-MUSIC."""

    def classes(self, split):
        return super().classes(split)[::6]


def few(length=8_191):
    """The fonts of the manifests, half a second a clip."""
    whole = replace(manifests.music(), length=length)
    return Few(whole.fonts, whole.length)


def pooled(music=None, workers=1):
    """Its clips in pools, a quarter of a second each."""
    return PooledMusic(music or few(4_000), workers=workers, progress=False)
