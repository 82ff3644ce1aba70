"""How much of a PPO gradient is signal: the cosine between gradients of the same mixtures, sampled
twice.

Of the pretrained `separator-small`, by all of its weights, with SI-SDR as the reward, for sides of
patches, sizes of groups and windows with credit of their own. 1 would be no noise, 0 nothing but
noise. Means over batches; `--figure` draws them.
"""

import argparse
from itertools import product
from pathlib import Path

import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from mars_lib.advantage import MovingBaseline
from mars_lib.config import PolicyConfig, TrainingConfig
from mars_lib.data import manifests
from mars_lib.data.mixtures import MixtureStream
from mars_lib.evaluation.statistics import summary
from mars_lib.inference import system
from mars_lib.reward import signal_fidelity
from mars_lib.rollout import QueriedBatch
from mars_lib.separator import Separator
from mars_lib.show.plots import save
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.steps import ppo_step
from mars_lib.training.targets import queried_batch

PATCHES, GROUPS, WINDOWS = (1, 4, 8, 16), (2, 4, 16), (1, 4, 16)


def gradient(
    separator: Separator, batch: QueriedBatch, config: PolicyConfig, seed: int
) -> torch.Tensor:
    """The gradient of one step on a batch, by all weights in a row."""
    generator = torch.Generator().manual_seed(seed)
    separator.zero_grad()
    _, loss, _ = ppo_step(
        separator, separator, batch, signal_fidelity, MovingBaseline(), config, generator
    )
    loss.backward()
    weights = [p.grad.flatten() for p in separator.parameters() if p.grad is not None]
    return torch.cat(weights)


def measured(batches: int, size: int, progress: bool = True) -> dict[tuple[int, int, int], list]:
    """Cosines of pairs of gradients, one a batch of `size` mixtures, by (patch, group, windows)."""
    start = system.load("separator-small", device="cpu")
    separator = start.separator.requires_grad_(True)
    training = TrainingConfig(batch_size=size, clips_per_class=4, augment=0.0)
    stream = MixtureStream(manifests.music(), "train", training)
    bank = QueryBank.embed(start.encoder, manifests.music(), stream.classes, "train", 2)
    found: dict[tuple[int, int, int], list] = {}
    settings = list(product(PATCHES, GROUPS, WINDOWS))
    for step in range(batches):
        batch = queried_batch(
            separator, start.encoder, bank, stream.batch(step), 0, step, 9.0, torch.device("cpu")
        )
        bar = tqdm(settings, f"batch {step + 1} of {batches}", disable=not progress)
        for patch, group, windows in bar:
            config = PolicyConfig(
                patch=patch,
                group_size=group,
                antithetic=True,
                reward_windows=windows,
                entropy_coefficient=0.0,
                kl_coefficient=0.0,
            )
            pair = [gradient(separator, batch, config, seed) for seed in (0, 1)]
            cosine = torch.cosine_similarity(*pair, dim=0).item()
            found.setdefault((patch, group, windows), []).append(cosine)
    return found


def draw(found: dict[tuple[int, int, int], list], path: Path) -> None:
    """Draw a panel a number of windows, a line a size of group, with 95 % intervals."""
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    axes = figure.subplots(1, len(WINDOWS), sharey=True)
    for axis, windows in zip(axes, WINDOWS):
        for group in GROUPS:
            rows = [summary(found[patch, group, windows]) for patch in PATCHES]
            means = [row["mean"] for row in rows]
            spread = [[m - r["ci95"][0] for m, r in zip(means, rows)]]
            spread.append([r["ci95"][1] - m for m, r in zip(means, rows)])
            places = range(len(PATCHES))
            axis.errorbar(places, means, spread, marker="o", capsize=3, label=f"G = {group}")
        axis.set_xticks(range(len(PATCHES)), [f"{p} x {p}" for p in PATCHES])
        axis.set(title=f"{windows} window{'s' * (windows > 1)}", xlabel="patch")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("cosine of two gradients")
    axes[0].legend(frameon=False)
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--size", type=int, default=8, help="mixtures of a batch")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    found = measured(options.batches, options.size)
    print("| patch | G | " + " | ".join(f"{w} windows" for w in WINDOWS) + " |")
    print("| --- | --- |" + " --- |" * len(WINDOWS))
    for patch, group in product(PATCHES, GROUPS):
        cells = []
        for windows in WINDOWS:
            row = summary(found[patch, group, windows])
            cells.append(f"{row['mean']:.3f} [{row['ci95'][0]:.3f}, {row['ci95'][1]:.3f}]")
        print(f"| {patch} x {patch} | {group} | {' | '.join(cells)} |")
    if options.figure:
        draw(found, options.figure)


if __name__ == "__main__":
    main()
