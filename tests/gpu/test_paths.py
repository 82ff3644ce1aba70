"""Training and evaluation with networks on a card: see `tests/card/paths.py`."""

from tests.card.paths import *  # noqa: F403
