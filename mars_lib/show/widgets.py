"""Widgets: a slider over a figure, a panel of queries. Only what ipywidgets 7 and 8 both have."""

import html
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import ipywidgets
import torch

from mars_lib import waveform
from mars_lib.check import InputError
from mars_lib.show.notebook_output import display
from mars_lib.show.players import players
from mars_lib.show.plots import spectrograms

RATE = 16_000
LONGEST = 10  # seconds of a mixture of one's own
QUERIES = ("text", "image", "audio")


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
        note = f"<div><em>{html.escape(self._said)}; in a running notebook it moves.</em></div>"
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


class Separating(Protocol):
    """What a panel asks: `mars_lib.inference.system.System`."""

    def separate(self, waveform: Any, rate: float, **query: Any) -> Any:
        """The queried source of a mixture (L,)."""


def separator_panel(
    system: Separating, mixtures: Mapping[str, torch.Tensor], text: str
) -> ipywidgets.Widget:
    """Make a panel that separates: mixtures to choose from, and a query of any kind.

    A word, a picture and a sound, each with its weight of Eq. 1, and a word to push away. Pictures,
    sounds and mixtures may be uploaded. The result is drawn anew at every change; where no kernel
    runs, what stands there is that of the first mixture and `text`.

    Args:
        system: separates.
        mixtures: (L,) at 16 kHz by name.
        text: the first query.
    """
    return _Panel(system, mixtures, text).widget()


class _Panel:
    """The state of a panel: its controls, and files of what was uploaded."""

    def __init__(self, system: Separating, mixtures: Mapping[str, torch.Tensor], text: str) -> None:
        self.system, self.mixtures, self.own = system, mixtures, False
        # Removed with the panel.
        self.folder = tempfile.TemporaryDirectory(prefix="panel-")
        late = {"continuous_update": False}
        self.mixture = ipywidgets.Dropdown(options=[*mixtures], description="mixture")
        self.text = ipywidgets.Text(value=text, description="word", **late)
        self.negative = ipywidgets.Text(value="", description="but not", **late)
        self.strength = ipywidgets.FloatSlider(
            value=0.5, min=0.0, max=2.0, step=0.1, description="how much", **late
        )
        self.uploads = {
            "mixture": ipywidgets.FileUpload(accept="audio/*", description="yours"),
            "image": ipywidgets.FileUpload(accept="image/*", description="picture"),
            "audio": ipywidgets.FileUpload(accept="audio/*", description="sound"),
        }
        self.weights = {
            name: ipywidgets.FloatSlider(
                value=1.0, min=0.0, max=1.0, step=0.1, description="weight", **late
            )
            for name in QUERIES
        }
        self.area = ipywidgets.HTML(self.result())

    def widget(self) -> ipywidgets.Widget:
        """The controls in rows, and the result below them."""
        rows = [
            [self.mixture, self.uploads["mixture"]],
            [self.text, self.weights["text"]],
            [self.uploads["image"], self.weights["image"]],
            [self.uploads["audio"], self.weights["audio"]],
            [self.negative, self.strength],
        ]
        for control in (control for row in rows for control in row):
            control.observe(self._changed, names="value")
        said = f"{self.mixture.value}, query: {self.text.value}"
        boxes = [ipywidgets.HBox(row) for row in rows]
        return _WithPicture([*boxes, self.area], said, self.area.value)

    def _changed(self, change: dict[str, Any]) -> None:
        if change["owner"] in (self.mixture, self.uploads["mixture"]):
            self.own = change["owner"] is not self.mixture
        self.area.value = "<em>separating ...</em>"
        self.area.value = self.result()

    def result(self) -> str:
        """HTML of the mixture and the estimate, or of what is wrong with the query."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                sounds = self._sounds()
            except InputError as error:
                return f"<em>{html.escape(str(error))}</em>"
        notes = "".join(f"<div><em>{html.escape(str(each.message))}</em></div>" for each in caught)
        drawn = spectrograms(sounds, "The mixture, and what the query takes out of it")
        return notes + players(sounds).data + drawn.data

    def _sounds(self) -> dict[str, torch.Tensor]:
        """The mixture and the estimate, (L,) at 16 kHz."""
        files = {name: self._file(name) for name in self.uploads}
        mixture = self.mixtures[self.mixture.value]
        if self.own and files["mixture"] is not None:
            samples, rate = waveform.load(files["mixture"], LONGEST)
            mixture = waveform.resample(waveform.mono(samples)[None], rate, RATE)[0]
        asked = {"text": self.text.value.strip() or None} | {n: files[n] for n in QUERIES[1:]}
        given = {name: value for name, value in asked.items() if value is not None}
        estimate = self.system.separate(
            mixture,
            RATE,
            **given,
            weights={name: self.weights[name].value for name in given},
            negative_text=self.negative.value.strip() or None,
            negative_strength=self.strength.value,
        )
        return {"mixture": mixture, "estimate": estimate}

    def _file(self, name: str) -> Path | None:
        """The file of the last upload of a kind; None without one.

        ipywidgets 7 gives a dictionary by file name, 8 a tuple of dictionaries.
        """
        value = self.uploads[name].value
        if not value:
            return None
        if isinstance(value, dict):
            called, entry = [*value.items()][-1]
        else:
            called, entry = value[-1]["name"], value[-1]
        path = Path(self.folder.name) / f"{name}{Path(called).suffix}"
        path.write_bytes(bytes(entry["content"]))
        return path
