"""The notebooks' checks: they say what is wrong, and never stop "Run All"."""

from mars_lib.exercises.notebook_00 import check_blend, check_mixture, check_push_away
from mars_lib.exercises.notebook_01 import check_binary_mask, check_frames, check_wbce
from mars_lib.exercises.notebook_02 import check_objective, check_reinforce, check_step
from mars_lib.exercises.notebook_03 import (
    check_parameters,
    check_ratio,
    check_surrogate,
)
from mars_lib.exercises.notebook_04 import check_composite, check_cosine, check_fusion
from mars_lib.exercises.notebook_05 import check_batch, check_info_nce, check_triplet
from mars_lib.exercises.notebook_06 import (
    check_approx_kl,
    check_baseline,
    check_group_advantage,
)
from mars_lib.exercises.notebook_07 import (
    check_paired_interval,
    check_si_sdr,
    check_standard_error,
)
from mars_lib.exercises.notebook_08 import (
    check_careful_reward,
    check_is_hacked,
    check_kept,
)
from mars_lib.exercises.quiz import quiz

__all__ = [
    "check_approx_kl",
    "check_baseline",
    "check_batch",
    "check_binary_mask",
    "check_blend",
    "check_careful_reward",
    "check_composite",
    "check_cosine",
    "check_frames",
    "check_fusion",
    "check_group_advantage",
    "check_info_nce",
    "check_is_hacked",
    "check_kept",
    "check_mixture",
    "check_objective",
    "check_paired_interval",
    "check_parameters",
    "check_push_away",
    "check_ratio",
    "check_reinforce",
    "check_si_sdr",
    "check_standard_error",
    "check_step",
    "check_surrogate",
    "check_triplet",
    "check_wbce",
    "quiz",
]
