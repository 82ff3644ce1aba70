"""Here the device is imitated; `tests/gpu` runs the same paths on a real card."""

import pytest

pytest.register_assert_rewrite(
    "tests.card.paths", "tests.card.evaluation_paths", "tests.card.precision_paths"
)
# After the line above, which must come before they are imported; the second are fixtures.
from tests.card.imitation import cards  # noqa: E402
from tests.card.networks import encoder, music, pooling, start  # noqa: E402, F401


@pytest.fixture
def device(monkeypatch):
    """The second card: whoever says "cuda" means the first."""
    with cards(monkeypatch):
        yield "cuda:1"
