"""museval, the field's reference implementation of BSS-eval, without the packages it drags in."""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from mars_lib.check import fail


@cache
def _metrics() -> ModuleType:
    """museval/metrics.py alone: `import museval` needs musdb and stempeg, which raise without
    ffmpeg.
    """
    spec = importlib.util.find_spec("museval")
    if spec is None:
        fail("museval", "is not installed", "pip install --no-deps museval==0.4.1")
    path = Path(spec.origin).parent / "metrics.py"
    spec = importlib.util.spec_from_file_location("museval_metrics", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def museval_bss_eval(*, estimate: np.ndarray, reference: np.ndarray):
    """(SDR, SIR, SAR) in dB of (N, L) estimates and references, one window, no permutation: each
    (N,).
    """
    sdr, _, sir, sar, _ = _metrics().bss_eval(
        reference[..., None], estimate[..., None], window=np.inf, compute_permutation=False
    )
    return sdr[:, 0], sir[:, 0], sar[:, 0]
