"""Figures. What is compared shares one scale.

Every figure carries a text for those who cannot see it, `alt`.
"""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from mars_lib.config import SignalConfig, small
from mars_lib.io import atomic
from mars_lib.show.notebook_output import HTML
from mars_lib.stft import stft

DPI = 110
# Inches beside which no further table is set.
PAGE = 10


def as_html(figure: Figure, alt: str) -> HTML:
    """Draw a figure as an HTML image, with its alternative text as the title above it."""
    title = f"<figcaption><b>{html.escape(alt)}</b></figcaption>"
    return HTML(f'<figure style="margin: 0">{title}{image(figure, alt)}</figure>')


def image(figure: Figure, alt: str) -> str:
    """Write a figure as the string of an HTML image with alternative text."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, bbox_inches="tight")
    # A palette of 256 colours is a third of the bytes, and notebooks stay small.
    few = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    style = "max-width: 100%"
    return f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/png;base64,{data}">'


def panels(
    maps: Mapping[str, torch.Tensor],
    alt: str,
    low: float | None = None,
    high: float | None = None,
    unit: str = "dB",
    extent: tuple[float, float, float, float] | None = None,
    columns: int = 4,
    ylabel: str = "",
) -> HTML:
    """Draw named maps side by side on one colour scale.

    Args:
        maps: (rows, T) by name.
        alt: what the figure shows, in words.
        low: the lowest value of the scale.
        high: its highest value.
        unit: of the values.
        extent: (left, right, bottom, top) in seconds and kHz; without it the axes count frames and
            rows.
        columns: maps in a row, at most.
        ylabel: in place of "kHz" or "row".
    """
    rows = -(-len(maps) // columns)
    across = min(columns, len(maps))
    figure = Figure(figsize=(3.1 * across + 0.8, 2.4 * rows), layout="constrained")
    alike = len({len(values) for values in maps.values()}) == 1
    axes = np.atleast_1d(figure.subplots(rows, across, sharey=alike)).flatten()
    for axis in axes[len(maps) :]:
        axis.set_axis_off()
    for i, (axis, (name, values)) in enumerate(zip(axes, maps.items())):
        drawn = axis.imshow(
            values.detach().cpu().numpy(),
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=low,
            vmax=high,
            extent=extent,
        )
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("s" if extent else "frame", fontsize=8)
        if i % across == 0:
            axis.set_ylabel(ylabel or ("kHz" if extent else "row"), fontsize=8)
        axis.tick_params(labelsize=7)
        if not extent:
            # Frames and rows are counted; there is none at 0.5.
            axis.locator_params(integer=True)
    figure.colorbar(drawn, ax=axes.tolist(), label=unit)
    return as_html(figure, alt)


def spectrograms(
    sounds: Mapping[str, torch.Tensor],
    alt: str,
    signal: SignalConfig | None = None,
    span: float = 70,
) -> HTML:
    """Draw magnitude spectrograms in dB of named waveforms (L,), on one scale of `span` dB."""
    signal = signal or small().signal
    maps = {
        name: 20 * torch.log10(stft(sound, signal).abs() + 1e-6) for name, sound in sounds.items()
    }
    top = max(values.max().item() for values in maps.values())
    seconds = max(len(sound) for sound in sounds.values()) / signal.sample_rate
    extent = (0, seconds, 0, signal.sample_rate / 2000)
    return panels(maps, alt, top - span, top, extent=extent)


def bars(values: Mapping[str, float], alt: str, unit: str, digits: int = 2) -> HTML:
    """Draw named numbers as horizontal bars; at each its number, `digits` after the point."""
    figure = Figure(figsize=(6, 0.42 * len(values) + 0.6), layout="constrained")
    axis = figure.subplots()
    drawn = axis.barh(list(values), list(values.values()), color="#0b5394")
    axis.bar_label(drawn, fmt=f"%.{digits}f", padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(unit)
    axis.margins(x=0.15)
    axis.spines[["top", "right"]].set_visible(False)
    return as_html(figure, alt)


def curves(
    x: Sequence[float], lines: Mapping[str, Sequence[float]], alt: str, xlabel: str, ylabel: str
) -> HTML:
    """Draw named curves over one x."""
    figure = Figure(figsize=(6, 2.8), layout="constrained")
    axis = figure.subplots()
    for (name, values), style in zip(lines.items(), ("-", "--", ":", "-.") * 3):
        axis.plot(x, values, style, label=name)
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.grid(alpha=0.3)
    # Many names would hide the curves.
    if len(lines) > 3:
        figure.legend(loc="outside right upper", fontsize=8)
    elif len(lines) > 1:
        axis.legend(fontsize=8)
    return as_html(figure, alt)


def scatter(
    groups: Mapping[str, Mapping[str, torch.Tensor]], alt: str, xlabel: str, ylabel: str
) -> HTML:
    """Draw points by colour and by marker.

    Args:
        groups: {name of a colour: {name of a marker: points (n, 2)}}.
        alt: what the figure shows, in words.
        xlabel: what the first coordinate is.
        ylabel: what the second coordinate is.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    markers = dict(
        zip(dict.fromkeys(kind for kinds in groups.values() for kind in kinds), "o*sD^v")
    )
    for i, (name, kinds) in enumerate(groups.items()):
        for kind, points in kinds.items():
            size = 110 if markers[kind] == "*" else 28
            x, y = points.detach().cpu().numpy().T
            axis.scatter(
                x,
                y,
                size,
                f"C{i}",
                marker=markers[kind],
                alpha=0.75,
                edgecolors="white",
                linewidths=0.5,
            )
        axis.scatter([], [], color=f"C{i}", label=name)
    for kind, marker in markers.items() if len(markers) > 1 else ():
        # Hollow, since a grey one would look like a colour of its own.
        axis.scatter([], [], facecolors="none", edgecolors="black", marker=marker, label=kind)
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    return as_html(figure, alt)


def heatmaps(
    tables: Mapping[str, torch.Tensor],
    rows: Sequence[str],
    columns: Sequence[str],
    alt: str,
    digits: int = 2,
    xlabel: str = "",
    ylabel: str = "",
) -> HTML:
    """Draw named tables of numbers, on colours of one scale: side by side as far as a page is wide.

    Args:
        tables: (rows, columns) by name.
        rows: names of the rows.
        columns: names of the columns.
        alt: what the figure shows, in words.
        digits: after the decimal point.
        xlabel: what the columns are.
        ylabel: what the rows are.
    """
    each = 0.52 * len(columns) + 0.4
    across = min(len(tables), max(1, int(PAGE // each)))
    down = -(-len(tables) // across)
    width = each * across + 0.08 * max(map(len, rows)) + 0.6
    height = 0.34 * len(rows) + 0.075 * max(map(len, columns)) + 0.6
    figure = Figure(figsize=(width, height * down), layout="constrained")
    axes = np.atleast_1d(figure.subplots(down, across, sharey=True)).flatten()
    for axis in axes[len(tables) :]:
        axis.set_axis_off()
    low = min(values.min().item() for values in tables.values())
    high = max(values.max().item() for values in tables.values())
    for i, (axis, (name, values)) in enumerate(zip(axes, tables.items())):
        axis.imshow(
            values.detach().cpu().numpy(), cmap="cividis", vmin=low, vmax=high, aspect="auto"
        )
        axis.set_title(name, fontsize=10)
        axis.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8)
        axis.set_yticks(range(len(rows)), rows, fontsize=8)
        axis.set_xlabel(xlabel, fontsize=8)
        if i % across == 0:
            axis.set_ylabel(ylabel, fontsize=8)
        for (row, column), value in np.ndenumerate(values.detach().cpu().numpy()):
            ink = "white" if value < (low + high) / 2 else "black"
            number = f"{value:.{digits}f}"
            axis.text(column, row, number, ha="center", va="center", fontsize=8, color=ink)
    return as_html(figure, alt)


def pictures(images: Mapping[str, torch.Tensor], alt: str) -> HTML:
    """Draw named pictures (3, height, width) in [0, 1] in a row."""
    figure = Figure(figsize=(1.6 * len(images), 1.9), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(images)))
    for axis, (name, picture) in zip(axes, images.items()):
        axis.imshow(picture.permute(1, 2, 0).cpu().numpy())
        axis.set_title(name, fontsize=9)
        axis.set_axis_off()
    return as_html(figure, alt)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as a PNG file, whole or not at all."""
    with atomic.writing(path) as temporary:
        figure.savefig(temporary, dpi=80)
