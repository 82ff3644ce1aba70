"""Figures. What is compared shares one scale; every figure carries a text for those who cannot see it."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from mars_lib.config import SignalConfig, small
from mars_lib.stft import stft


def as_html(figure: Figure, alt: str):
    """A figure as an HTML image with alternative text."""
    from IPython.display import HTML

    return HTML(image(figure, alt))


def image(figure: Figure, alt: str) -> str:
    """The same as a string."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=72, bbox_inches="tight")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def panels(
    maps: Mapping[str, torch.Tensor],
    alt: str,
    low: float | None = None,
    high: float | None = None,
    unit: str = "dB",
    extent: tuple[float, float, float, float] | None = None,
    columns: int = 4,
    ylabel: str = "kHz",
):
    """Named (rows, frames) maps side by side on one colour scale, from `low` to `high`."""
    rows = -(-len(maps) // columns)
    across = min(columns, len(maps))
    figure = Figure(figsize=(3.1 * across + 0.8, 2.4 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, across, sharey=True)).flatten()
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
            axis.set_ylabel(ylabel, fontsize=8)
        axis.tick_params(labelsize=7)
    figure.colorbar(drawn, ax=axes.tolist(), label=unit)
    return as_html(figure, alt)


def spectrograms(
    sounds: Mapping[str, torch.Tensor], alt: str, signal: SignalConfig | None = None, span: float = 70
):
    """Magnitude spectrograms in dB of named (L,) waveforms, on one scale of `span` dB."""
    signal = signal or small().signal
    maps = {
        name: 20 * torch.log10(stft(sound, signal).abs() + 1e-6) for name, sound in sounds.items()
    }
    top = max(values.max().item() for values in maps.values())
    seconds = max(len(sound) for sound in sounds.values()) / signal.sample_rate
    extent = (0, seconds, 0, signal.sample_rate / 2000)
    return panels(maps, alt, top - span, top, extent=extent)


def bars(values: Mapping[str, float], alt: str, unit: str):
    """Named numbers as horizontal bars, with the numbers written at them."""
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
):
    """Named curves over one x."""
    figure = Figure(figsize=(6, 2.8), layout="constrained")
    axis = figure.subplots()
    for (name, values), style in zip(lines.items(), ("-", "--", ":", "-.") * 3):
        axis.plot(x, values, style, label=name)
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.grid(alpha=0.3)
    if len(lines) > 1:
        axis.legend(fontsize=8)
    return as_html(figure, alt)


def pictures(images: Mapping[str, torch.Tensor], alt: str):
    """Named (3, H, W) pictures in a row."""
    figure = Figure(figsize=(1.6 * len(images), 1.9), layout="constrained")
    for axis, (name, picture) in zip(np.atleast_1d(figure.subplots(1, len(images))), images.items()):
        axis.imshow(picture.permute(1, 2, 0).numpy())
        axis.set_title(name, fontsize=9)
        axis.set_axis_off()
    return as_html(figure, alt)
