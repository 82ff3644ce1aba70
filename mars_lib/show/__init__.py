"""What notebooks show: figures, players, widgets. The only place that imports matplotlib or ipywidgets."""

from mars_lib.show.headline import headline
from mars_lib.show.pipeline import pipeline_map
from mars_lib.show.players import players
from mars_lib.show.plots import bars, curves, pictures, spectrograms
from mars_lib.show.trouble import expect_error

__all__ = [
    "bars",
    "curves",
    "expect_error",
    "headline",
    "pictures",
    "pipeline_map",
    "players",
    "spectrograms",
]
