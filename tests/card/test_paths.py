"""Training and evaluation with networks on a card: see `tests/card/paths.py`."""

from tests.card.evaluation_paths import *  # noqa: F403, tests by any name
from tests.card.paths import *  # noqa: F403, tests by any name
from tests.card.precision_paths import *  # noqa: F403, tests by any name
