"""Progressive alignment of an encoder's projection heads (Section 3.3).

In its order: features, pairs, losses (Eq. 7-9), stages, a run of all, measures.
"""

from mars_lib.alignment.features import (
    ALIGNMENT_CLIPS,
    TrunkFeatures,
    trunk_features,
)
from mars_lib.alignment.gate import adapt_gate
from mars_lib.alignment.measures import discrimination, retrieval
from mars_lib.alignment.needs import forecast
from mars_lib.alignment.pairs import PairSampler
from mars_lib.alignment.report import probe_features, report, table
from mars_lib.alignment.run import (
    align,
    fusion_of,
    load_heads,
    query_bank,
    save_heads,
    with_trainable_heads,
)
from mars_lib.alignment.stages import (
    STAGES,
    AlignmentConfig,
    check_stages,
    stage_loss,
    train_stage,
)

__all__ = [
    "ALIGNMENT_CLIPS",
    "STAGES",
    "AlignmentConfig",
    "PairSampler",
    "TrunkFeatures",
    "adapt_gate",
    "align",
    "check_stages",
    "discrimination",
    "forecast",
    "fusion_of",
    "load_heads",
    "probe_features",
    "query_bank",
    "report",
    "retrieval",
    "save_heads",
    "stage_loss",
    "table",
    "train_stage",
    "trunk_features",
    "with_trainable_heads",
]
