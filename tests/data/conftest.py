"""Fixtures of the tests of prepared videos and of clip pools."""

import pytest

from tests.data.films import draw, encode, play


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """MUSIC in small: two classes of three films."""
    folder = tmp_path_factory.mktemp("films")
    for kind in ("trumpet", "french horn"):
        for i in range(3):
            name = f"{kind.replace(' ', '_')}/{kind[:5]:x<10}{i}.mp4"
            encode(folder / name, draw(kind), play(kind, i))
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the test's own; it is not there yet."""
    monkeypatch.setenv("MARS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
