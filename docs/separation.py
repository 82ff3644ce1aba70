"""Makes the picture of the README, docs/separation.png, and its sound, docs/separation.mp3, with
the pretrained separator.

Not the best mixture of its pair, and not the worst: the median of `COUNT` by SI-SDRi.
"""

from pathlib import Path

import soundfile
import torch
from matplotlib.figure import Figure

import mars_lib
from mars_lib.check import told
from mars_lib.data import manifests
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.inference.system import System
from mars_lib.io import atomic
from mars_lib.show.plots import save
from mars_lib.stft import stft
from mars_lib.waveform import match_level

NAMES = ("harp", "trumpet")
COUNT, RATE = 41, 16_000

# Of a class: its reference, its estimate, and SI-SDRi in dB.
Sources = dict[str, tuple[torch.Tensor, torch.Tensor, float]]


def separate(system: System, clip: int) -> tuple[torch.Tensor, Sources]:
    """A mixture of the pair, and what the separator returns for both words."""
    mixture, references = manifests.example(*NAMES, split="test", clip=clip)
    sources = {}
    for name, reference in zip(NAMES, references):
        estimate = system.separate(mixture, RATE, text=name)
        gain = si_sdr(estimate=estimate, reference=reference)
        gain -= si_sdr(estimate=mixture, reference=reference)
        sources[name] = (reference, estimate, gain.item())
    return mixture, sources


def mean_gain(separated: tuple[torch.Tensor, Sources]) -> float:
    """SI-SDRi in dB, mean over both sources."""
    return sum(gain for _, _, gain in separated[1].values()) / len(NAMES)


def in_a_row(sounds: list[torch.Tensor]) -> torch.Tensor:
    """Sounds (L,) one after another at one level, half a second apart."""
    gap = torch.zeros(RATE // 2)
    row = torch.cat([part for sound in sounds for part in (match_level(sound, 0.1), gap)])
    return row / row.abs().max().clamp(min=1.0)


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
            extent=(0, len(mixture) / RATE, 0, 8),
        )
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("s", fontsize=8)
    figure.axes[0].set_ylabel("kHz")
    here = Path(__file__)
    save(figure, here.with_name("separation.png"))
    heard = [mixture, *(estimate for _, estimate, _ in sources.values())]
    with atomic.writing(here.with_name("separation.mp3")) as temporary:
        soundfile.write(temporary, in_a_row(heard).numpy(), RATE, format="MP3")


if __name__ == "__main__":
    with told():
        main()
