"""The paths of `tests/card` on real cards: `make test-gpu`."""

import pytest
import torch

from tests.card.networks import encoder, music, pooling, start  # noqa: F401, they are fixtures

pytest.register_assert_rewrite(
    "tests.card.paths", "tests.card.evaluation_paths", "tests.card.precision_paths"
)
CARDS = [f"cuda:{i}" for i in range(min(2, torch.cuda.device_count()))] + [
    "mps"
] * torch.backends.mps.is_available()


@pytest.fixture(params=CARDS or ["cuda"])
def device(request):
    if not CARDS:
        pytest.skip("there is no card: torch.cuda.is_available() is False")
    return request.param
