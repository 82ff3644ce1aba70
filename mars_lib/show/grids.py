"""Figures of several panels in rows and columns, for the pages of results."""

import textwrap
from collections.abc import Mapping

import numpy as np
import torch
from torchaudio.transforms import MelSpectrogram

from mars_lib.show.plots import Figure


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


def interval_grid(
    curves: Mapping[str, Mapping[str, Mapping[str, dict]]],
    ylabel: str,
    ylabels: Mapping[str, str] | None = None,
    sharey: bool = False,
) -> Figure:
    """Draw means with their 95 % intervals, in a panel for each condition.

    Args:
        curves: {x label of a panel: {place on x: {name of a line: {"mean", "ci95"}}}}.
        ylabel: of all panels but those that have another one in `ylabels`.
        ylabels: {x label of a panel: its own label}.
        sharey: the same vertical axis for all panels.
    """
    columns = 2 if len(curves) == 4 else 3
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(3.3 * columns, 2.6 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=sharey).flatten()
    for axis in axes[len(curves) :]:
        axis.set_axis_off()
    for axis, (xlabel, places) in zip(axes, curves.items()):
        for i, name in enumerate(next(iter(places.values()))):
            means = np.array([values[name]["mean"] for values in places.values()])
            ends = np.array([values[name]["ci95"] for values in places.values()])
            x = np.arange(len(places)) + 0.08 * (i - 0.5)
            axis.errorbar(x, means, np.abs(ends.T - means), marker="osD^"[i], capsize=3, label=name)
        axis.set_xticks(range(len(places)), [textwrap.fill(place, 14) for place in places])
        axis.set_xlim(-0.5, len(places) - 0.5)
        axis.tick_params(axis="x", labelsize=7)
        axis.set_xlabel(xlabel, fontsize=8)
        axis.set_ylabel((ylabels or {}).get(xlabel, ylabel), fontsize=8)
        axis.tick_params(axis="y", labelsize=7)
        axis.grid(alpha=0.3)
    lines, names = axes[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=len(names), fontsize=7)
    return figure
