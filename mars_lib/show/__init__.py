"""What notebooks show: figures, players, widgets.

The only place that imports matplotlib, ipywidgets or IPython.
"""

from mars_lib.show.glyphs import glyph
from mars_lib.show.grids import interval_grid, mel_grid
from mars_lib.show.headline import headline
from mars_lib.show.pipeline import pipeline_map
from mars_lib.show.players import audio, players
from mars_lib.show.plots import (
    as_html,
    bars,
    curves,
    heatmaps,
    panels,
    pictures,
    save,
    scatter,
    spectrograms,
)
from mars_lib.show.trouble import expect_error
from mars_lib.show.widgets import separator_panel, slider

__all__ = [
    "as_html",
    "audio",
    "bars",
    "curves",
    "expect_error",
    "glyph",
    "headline",
    "heatmaps",
    "interval_grid",
    "mel_grid",
    "panels",
    "pictures",
    "pipeline_map",
    "players",
    "save",
    "scatter",
    "separator_panel",
    "slider",
    "spectrograms",
]
