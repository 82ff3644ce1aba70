"""What MPS cannot hold, float64 and complex128, is not asked of it."""

import pytest

from tests.card.evaluation_paths import (  # noqa: F401, a fixture and tests
    systems,
    test_alignment_alone,
    test_evaluation,
    test_metrics_take_sounds_of_a_card,
    test_separating_waveforms_and_files,
)
from tests.card.imitation import cards
from tests.card.paths import (  # noqa: F401, tests
    test_queries_from_the_source_s_own_recording,
    test_the_judge_of_a_run_may_be_on_the_card,
)


@pytest.fixture
def device(monkeypatch):
    with cards(monkeypatch):
        yield "mps"
