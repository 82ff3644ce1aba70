"""Widgets: a slider, a figure and a player. Only what ipywidgets 7 and 8 both have."""

from collections.abc import Callable

import ipywidgets

from mars_lib.show.notebook_output import display


class _WithPicture(ipywidgets.VBox):
    """A widget that carries, as HTML, what it shows at first.

    That is for pages and saved notebooks, where no kernel moves it. A running Jupyter shows the
    widget alone.

    Args:
        children: the widgets in the box, from top to bottom.
        said: what it shows at first, in words.
        picture: the same as HTML.
    """

    def __init__(self, children: list[ipywidgets.Widget], said: str, picture: str) -> None:
        super().__init__(children)
        self._said, self._picture = said, picture

    def _ipython_display_(self, **_: object) -> None:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        note = f"<div><em>{self._said}; in a running notebook a slider moves it.</em></div>"
        bundle = {"text/plain": self._said, "text/html": self._picture + note}
        display({**bundle, "application/vnd.jupyter.widget-view+json": view}, raw=True)


def slider(
    render: Callable[[float], str], label: str, low: float, high: float, value: float, step: float
) -> ipywidgets.Widget:
    """Make a slider over an HTML area, which is redrawn when the slider is let go.

    Where no kernel runs, what stands there is the HTML for the first `value`.

    Args:
        render: a value of the slider -> the HTML in the area.
        label: stands before the slider.
        low: its lowest value.
        high: its highest value.
        value: its first value.
        step: between values.
    """
    handle = ipywidgets.FloatSlider(
        value=value, min=low, max=high, step=step, description=label, continuous_update=False
    )
    area = ipywidgets.HTML(render(value))

    def redraw(change: dict[str, float]) -> None:
        area.value = render(change["new"])

    handle.observe(redraw, names="value")
    return _WithPicture([handle, area], f"{label} {value:g}", area.value)
