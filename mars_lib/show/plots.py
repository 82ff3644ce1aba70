"""Figures. What is compared shares one scale.

Every figure carries a text for those who cannot see it, `alt`.
"""

import base64
import html
import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torchaudio.transforms import MelSpectrogram

from mars_lib.config import SignalConfig, small
from mars_lib.io import atomic
from mars_lib.show.notebook_output import HTML
from mars_lib.stft import stft

DPI = 110


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


def bars(values: Mapping[str, float], alt: str, unit: str) -> HTML:
    """Draw named numbers as horizontal bars, with the numbers written at them."""
    figure = Figure(figsize=(6, 0.42 * len(values) + 0.6), layout="constrained")
    axis = figure.subplots()
    drawn = axis.barh(list(values), list(values.values()), color="#0b5394")
    axis.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
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
        axis.scatter([], [], color="#555", marker=marker, label=kind)
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
) -> HTML:
    """Draw named tables of numbers side by side, on colours of one scale.

    Args:
        tables: (rows, columns) by name.
        rows: names of the rows.
        columns: names of the columns.
        alt: what the figure shows, in words.
        digits: after the decimal point.
    """
    width = (0.52 * len(columns) + 0.4) * len(tables) + 0.08 * max(map(len, rows)) + 0.6
    longest = max(map(len, columns))
    figure = Figure(figsize=(width, 0.34 * len(rows) + 0.075 * longest + 0.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(tables), sharey=True))
    low = min(values.min().item() for values in tables.values())
    high = max(values.max().item() for values in tables.values())
    for axis, (name, values) in zip(axes, tables.items()):
        axis.imshow(
            values.detach().cpu().numpy(), cmap="cividis", vmin=low, vmax=high, aspect="auto"
        )
        axis.set_title(name, fontsize=10)
        axis.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8)
        axis.set_yticks(range(len(rows)), rows, fontsize=8)
        for (i, j), value in np.ndenumerate(values.detach().cpu().numpy()):
            ink = "white" if value < (low + high) / 2 else "black"
            axis.text(j, i, f"{value:.{digits}f}", ha="center", va="center", fontsize=7, color=ink)
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


def mel_grid(
    rows: Mapping[str, Mapping[str, torch.Tensor]], rate: int = 16_000, span: float = 60
) -> Figure:
    """Draw log-mel spectrograms of waveforms, on one scale of `span` dB a row.

    Args:
        rows: {name of a row: {name of a panel: waveform (L,)}}.
        rate: of the waveforms, in Hz.
        span: from the lowest to the highest colour, in dB.
    """
    mel = MelSpectrogram(rate, n_fft=1024, hop_length=256, n_mels=96, power=2.0)
    across = max(len(sounds) for sounds in rows.values())
    figure = Figure(figsize=(2.3 * across + 0.6, 1.9 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), across, squeeze=False, sharex=True, sharey=True)
    for axes, (label, sounds) in zip(grid, rows.items()):
        maps = {
            name: 10 * torch.log10(mel(sound.detach().cpu()) + 1e-10)
            for name, sound in sounds.items()
        }
        top = max(values.max().item() for values in maps.values())
        for axis, (name, values) in zip(axes, maps.items()):
            seconds = len(sounds[name]) / rate
            drawn = axis.imshow(
                values.numpy(),
                origin="lower",
                aspect="auto",
                cmap="magma",
                vmin=top - span,
                vmax=top,
                extent=(0, seconds, 0, len(values)),
            )
            axis.set_title(name, fontsize=8)
            axis.tick_params(labelsize=6)
        axes[0].set_ylabel(f"{textwrap.fill(label, 20)}\nmel band", fontsize=8)
        figure.colorbar(drawn, ax=axes.tolist(), label="dB")
    for axis in grid[-1]:
        axis.set_xlabel("s", fontsize=7)
    return figure


def interval_grid(curves: Mapping[str, Mapping[str, Mapping[str, dict]]], ylabel: str) -> Figure:
    """Draw means with their 95 % intervals, in a panel for each condition.

    Args:
        curves: {x label of a panel: {place on x: {name of a line: {"mean", "ci95"}}}}.
        ylabel: of all panels but those of leakage, whose numbers are dB.
    """
    columns = 3
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(3.3 * columns, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis in axes[len(curves) :]:
        axis.set_axis_off()
    for axis, (xlabel, places) in zip(axes, curves.items()):
        for i, name in enumerate(next(iter(places.values()))):
            means = np.array([values[name]["mean"] for values in places.values()])
            ends = np.array([values[name]["ci95"] for values in places.values()])
            x = np.arange(len(places)) + 0.08 * (i - 0.5)
            axis.errorbar(x, means, np.abs(ends.T - means), marker="osD^"[i], capsize=3, label=name)
        axis.set_xticks(range(len(places)), list(places), fontsize=7)
        axis.set_xlabel(xlabel, fontsize=8)
        axis.set_ylabel(xlabel.split(",")[0] + ", dB" if "leak" in xlabel else ylabel, fontsize=8)
        axis.tick_params(axis="y", labelsize=7)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as a PNG file, whole or not at all."""
    with atomic.writing(path) as temporary:
        figure.savefig(temporary, dpi=80)
