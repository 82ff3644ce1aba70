"""museval, the field's reference implementation of BSS-eval, without the packages it drags in."""

import importlib.util
from functools import cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

import numpy as np

from mars_lib.check import fail


@cache
def _metrics() -> ModuleType:
    """museval/metrics.py alone: `import museval` needs musdb and stempeg, which raise without
    ffmpeg.
    """
    package = importlib.util.find_spec("museval")
    if package is None or package.origin is None:
        fail("museval", "is not installed", "pip install --no-deps museval==0.4.1")
    loader = SourceFileLoader("museval_metrics", str(Path(package.origin).parent / "metrics.py"))
    module = importlib.util.module_from_spec(ModuleSpec(loader.name, loader))
    loader.exec_module(module)
    return module


def museval_bss_eval(
    *, estimate: np.ndarray, reference: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(SDR, SIR, SAR) in dB, each (N,), of (N, L) estimates and references.

    One window over the whole sound, no permutation.
    """
    sdr, _, sir, sar, _ = _metrics().bss_eval(
        reference[..., None], estimate[..., None], window=np.inf, compute_permutation=False
    )
    return sdr[:, 0], sir[:, 0], sar[:, 0]
