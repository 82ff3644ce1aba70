"""Widgets: a slider, a figure and a player. Only what ipywidgets 7 and 8 both have."""

from collections.abc import Callable

import ipywidgets


class _WithPicture(ipywidgets.VBox):
    """A widget that carries, as HTML, what it shows at first: for pages and saved notebooks, where
    no kernel moves it.

    A running Jupyter shows the widget alone.
    """

    def __init__(self, children: list, said: str, picture: str):
        super().__init__(children)
        self._said, self._picture = said, picture

    def _ipython_display_(self, **_) -> None:
        from IPython.display import display

        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        note = f"<div><em>{self._said}; in a running notebook a slider moves it.</em></div>"
        bundle = {"text/plain": self._said, "text/html": self._picture + note}
        display({**bundle, "application/vnd.jupyter.widget-view+json": view}, raw=True)


def slider(
    render: Callable[[float], str], label: str, low: float, high: float, value: float, step: float
) -> ipywidgets.Widget:
    """A slider over an HTML area that `render(value)` fills; redrawn when the slider is let go.

    Where no kernel runs, what stands there is the HTML for the first `value`.
    """
    handle = ipywidgets.FloatSlider(
        value=value, min=low, max=high, step=step, description=label, continuous_update=False
    )
    area = ipywidgets.HTML(render(value))

    def redraw(change) -> None:
        area.value = render(change["new"])

    handle.observe(redraw, names="value")
    return _WithPicture([handle, area], f"{label} {value:g}", area.value)
