"""Draws docs/separation.png, the picture in the README, with the shipped separator."""

from pathlib import Path

import torch
from matplotlib.figure import Figure

import mars_lib
from mars_lib.data import manifests
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.stft import stft

NAMES = ("harp", "trumpet")


def main() -> None:
    system = mars_lib.load()
    signal = system.separator.config.signal
    mixture, references = manifests.example(*NAMES, split="test", clip=6)
    panels = {"mixture": mixture}
    for name, reference in zip(NAMES, references):
        estimate = system.separate(mixture, 16_000, text=name)
        gain = si_sdr(estimate=estimate, reference=reference)
        gain -= si_sdr(estimate=mixture, reference=reference)
        panels[f'"{name}": {gain:+.1f} dB SI-SDRi'] = estimate
        panels[f"the real {name}"] = reference
    maps = {k: 20 * torch.log10(stft(v, signal).abs() + 1e-6) for k, v in panels.items()}
    top = max(values.max().item() for values in maps.values())
    figure = Figure(figsize=(14, 2.6), layout="constrained")
    for axis, (name, values) in zip(figure.subplots(1, len(maps), sharey=True), maps.items()):
        axis.imshow(
            values,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=top - 70,
            vmax=top,
            extent=(0, len(mixture) / 16_000, 0, 8),
        )
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("s", fontsize=8)
    figure.axes[0].set_ylabel("kHz")
    figure.savefig(Path(__file__).with_name("separation.png"), dpi=75)


if __name__ == "__main__":
    main()
