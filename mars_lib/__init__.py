"""mars_lib: MARS-Sep, reinforced sound separation, in the order of its pipeline.

>>> import mars_lib
>>> separator = mars_lib.load()  # doctest: +SKIP
>>> violin = separator.separate(waveform, rate, text="violin")  # doctest: +SKIP
"""

from mars_lib import config, loss, mask, query, separator, stft, waveform
from mars_lib.inference.system import System, load

__all__ = ["System", "config", "load", "loss", "mask", "query", "separator", "stft", "waveform"]
__version__ = config.VERSION
