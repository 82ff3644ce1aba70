"""The notebooks' checks: they say what is wrong, and never stop "Run All"."""

from mars_lib.exercises.notebook_00 import check_blend, check_mixture, check_push_away
from mars_lib.exercises.notebook_01 import check_binary_mask, check_frames, check_wbce

__all__ = [
    "check_binary_mask",
    "check_blend",
    "check_frames",
    "check_mixture",
    "check_push_away",
    "check_wbce",
]
