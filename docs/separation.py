"""Draws docs/separation.png, the picture in the README, with the pretrained separator.

Not the best mixture of its pair, and not the worst: the median of `COUNT` by SI-SDRi.
"""

from pathlib import Path

import torch
from matplotlib.figure import Figure

import mars_lib
from mars_lib.data import manifests
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.inference.system import System
from mars_lib.show.plots import save
from mars_lib.stft import stft

NAMES = ("harp", "trumpet")
COUNT = 41


# Of a class: its reference, its estimate, and SI-SDRi in dB.
Sources = dict[str, tuple[torch.Tensor, torch.Tensor, float]]


def separate(system: System, clip: int) -> tuple[torch.Tensor, Sources]:
    """A mixture of the pair, and what the separator returns for both words."""
    mixture, references = manifests.example(*NAMES, split="test", clip=clip)
    sources = {}
    for name, reference in zip(NAMES, references):
        estimate = system.separate(mixture, 16_000, text=name)
        gain = si_sdr(estimate=estimate, reference=reference)
        gain -= si_sdr(estimate=mixture, reference=reference)
        sources[name] = (reference, estimate, gain.item())
    return mixture, sources


def mean_gain(separated: tuple[torch.Tensor, Sources]) -> float:
    """SI-SDRi in dB, mean over both sources."""
    return sum(gain for _, _, gain in separated[1].values()) / len(NAMES)


def main() -> None:
    system = mars_lib.load()
    signal = system.separator.config.signal
    separated = [separate(system, clip) for clip in range(COUNT)]
    mixture, sources = sorted(separated, key=mean_gain)[COUNT // 2]
    panels = {"mixture": mixture}
    for name, (reference, estimate, gain) in sources.items():
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
    save(figure, Path(__file__).with_name("separation.png"))


if __name__ == "__main__":
    main()
