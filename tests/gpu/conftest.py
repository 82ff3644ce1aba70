"""Tests on real cards: `make test-gpu`. The paths are those of `tests/card`."""

import pytest
import torch

from tests.card.networks import encoder, music, pooling, start  # noqa: F401, they are fixtures

PATHS = ("paths", "evaluation_paths", "precision_paths")
pytest.register_assert_rewrite(*(f"tests.card.{name}" for name in PATHS))
CUDA = [f"cuda:{i}" for i in range(min(2, torch.cuda.device_count()))]
CARDS = CUDA + ["mps"] * torch.backends.mps.is_available()


def pytest_runtest_setup(item):
    """What needs CUDA, and without a card everything, is skipped for one reason."""
    if not CARDS or (not CUDA and item.get_closest_marker("cuda")):
        pytest.skip("there is no card: torch.cuda.is_available() is False")


@pytest.fixture(params=CARDS or ["cuda"])
def device(request):
    """Each card in turn."""
    return request.param
