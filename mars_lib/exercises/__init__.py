"""The notebooks' checks: they say what is wrong, and never stop "Run All"."""

from mars_lib.exercises.notebook_00 import check_blend, check_consistent, check_mixture
from mars_lib.exercises.notebook_01 import check_frames, check_masked, check_wbce
from mars_lib.exercises.notebook_02 import check_objective, check_reinforce, check_step
from mars_lib.exercises.notebook_03 import check_best_of, check_parameters, check_patch
from mars_lib.exercises.notebook_04 import check_composite, check_cosine, check_fusion
from mars_lib.exercises.notebook_05 import check_batch, check_info_nce, check_triplet
from mars_lib.exercises.notebook_06 import (
    check_diagnosis,
    check_group_advantage,
    check_ppo_loss,
    unlabelled_logs,
)
from mars_lib.exercises.notebook_07 import check_p_value, check_paired_interval, check_si_sdr
from mars_lib.exercises.notebook_08 import check_careful_reward, check_control, check_kept
from mars_lib.exercises.notebook_template import check_crest, check_gain, check_levels
from mars_lib.exercises.quiz import quiz

__all__ = [
    "check_batch",
    "check_best_of",
    "check_blend",
    "check_careful_reward",
    "check_composite",
    "check_consistent",
    "check_control",
    "check_cosine",
    "check_crest",
    "check_diagnosis",
    "check_frames",
    "check_fusion",
    "check_gain",
    "check_group_advantage",
    "check_info_nce",
    "check_kept",
    "check_levels",
    "check_masked",
    "check_mixture",
    "check_objective",
    "check_p_value",
    "check_paired_interval",
    "check_parameters",
    "check_patch",
    "check_ppo_loss",
    "check_reinforce",
    "check_si_sdr",
    "check_step",
    "check_triplet",
    "check_wbce",
    "quiz",
    "unlabelled_logs",
]
