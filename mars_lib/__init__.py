"""mars_lib: MARS-Sep, reinforced sound separation, in the order of its pipeline.

>>> import mars_lib
>>> system = mars_lib.load()  # doctest: +SKIP
>>> violin = system.separate(waveform, rate, text="violin")  # doctest: +SKIP

docs/api.md has a short example for every call.
"""

from mars_lib import (
    advantage,
    config,
    loss,
    mask,
    policy,
    query,
    reward,
    rollout,
    separator,
    stft,
    waveform,
)
from mars_lib.inference.system import System, available, load

__all__ = [
    "System",
    "advantage",
    "available",
    "config",
    "load",
    "loss",
    "mask",
    "policy",
    "query",
    "reward",
    "rollout",
    "separator",
    "stft",
    "waveform",
]
__version__ = config.VERSION
