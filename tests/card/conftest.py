"""Here the device is imitated; `tests/gpu` runs the same paths on a real card."""

import pytest

pytest.register_assert_rewrite("tests.card.paths")
from tests.card.imitation import cards  # noqa: E402


@pytest.fixture
def device(monkeypatch):
    """The second card: whoever says "cuda" means the first."""
    with cards(monkeypatch):
        yield "cuda:1"
