"""Widgets: a slider, a figure and a player. Only what ipywidgets 7 and 8 both have."""

from collections.abc import Callable

import ipywidgets


def slider(
    render: Callable[[float], str], label: str, low: float, high: float, value: float, step: float
) -> ipywidgets.Widget:
    """A slider over an HTML area that `render(value)` fills; redrawn when the slider is let go."""
    handle = ipywidgets.FloatSlider(
        value=value, min=low, max=high, step=step, description=label, continuous_update=False
    )
    area = ipywidgets.HTML(render(value))

    def redraw(change) -> None:
        area.value = render(change["new"])

    handle.observe(redraw, names="value")
    return ipywidgets.VBox([handle, area])
