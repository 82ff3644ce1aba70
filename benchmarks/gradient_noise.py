"""How much of a PPO gradient is signal: the cosine between gradients of the same mixtures, sampled
twice.

Of the pretrained `separator-small`, by all of its weights, with SI-SDR as the reward, for sides of
patches, sizes of groups and windows with credit of their own. 1 would be no noise, 0 nothing but
noise. Beside them the gradient through one sampled mask (pathwise), on bins and on the largest
patches, and its cosine with PPO's of the largest patches, groups and windows. Means over batches;
`--figure` draws PPO's.
"""

import argparse
from itertools import product
from pathlib import Path

import torch
from tqdm import tqdm

from mars_lib.advantage import MovingBaseline
from mars_lib.check import told
from mars_lib.config import PolicyConfig, TrainingConfig
from mars_lib.data import manifests
from mars_lib.data.mixtures import MixtureStream
from mars_lib.evaluation.statistics import summary, with_interval
from mars_lib.inference import system
from mars_lib.reward import signal_fidelity
from mars_lib.rollout import QueriedBatch
from mars_lib.separator import Separator
from mars_lib.show import interval_grid, save
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.steps import pathwise_loss, ppo_step, propose
from mars_lib.training.targets import queried_batch

PATCHES, GROUPS, WINDOWS = (1, 4, 8, 16), (2, 4, 8, 16), (1, 4, 8)


def gradient(
    separator: Separator,
    batch: QueriedBatch,
    config: PolicyConfig,
    seed: int,
    pathwise: bool = False,
) -> torch.Tensor:
    """The gradient of one step on a batch, by all weights in a row: PPO's, or the one through a
    sampled mask.
    """
    generator = torch.Generator().manual_seed(seed)
    separator.zero_grad()
    if pathwise:
        proposal = propose(separator, batch)
        loss, _ = pathwise_loss(separator, proposal, batch, signal_fidelity, config, generator)
    else:
        _, loss, _ = ppo_step(
            separator, separator, batch, signal_fidelity, MovingBaseline(), config, generator
        )
    loss.backward()
    weights = [p.grad.flatten() for p in separator.parameters() if p.grad is not None]
    return torch.cat(weights)


def measured(
    batches: int, size: int, progress: bool = True
) -> tuple[dict[tuple[int, int, int], list], dict[str, list]]:
    """Cosines of pairs of gradients, one a batch of `size` mixtures: of PPO by (patch, group,
    windows); and those with the gradient through a mask.
    """
    start = system.load("separator-small", device="cpu")
    separator = start.separator.requires_grad_(True)
    training = TrainingConfig(batch_size=size, clips_per_class=4, augment=0.0)
    stream = MixtureStream(manifests.music(), "train", training)
    bank = QueryBank.embed(start.encoder, manifests.music(), stream.classes, "train", 2)
    found: dict[tuple[int, int, int], list] = {}
    through: dict[str, list] = {}
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
        for patch in (PATCHES[0], PATCHES[-1]):
            masks = PolicyConfig(patch=patch)
            one, other = (gradient(separator, batch, masks, seed, True) for seed in (0, 1))
            # `pair` is PPO's of the last setting, the largest.
            for name, a, b in (("of two", one, other), ("with PPO's", one, pair[0])):
                cosine = torch.cosine_similarity(a, b, dim=0).item()
                through.setdefault(f"{patch} x {patch}, cosine {name}", []).append(cosine)
    return found, through


def draw(found: dict[tuple[int, int, int], list], path: Path) -> None:
    """Draw a panel a number of windows, a line a size of group, with 95 % intervals."""
    curves = {
        f"side of a patch, with {windows} window{'s' * (windows > 1)}": {
            f"{patch} x {patch}": {
                f"G = {group}": summary(found[patch, group, windows]) for group in GROUPS
            }
            for patch in PATCHES
        }
        for windows in WINDOWS
    }
    save(interval_grid(curves, "cosine of two gradients", sharey=True), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--size", type=int, default=8, help="mixtures of a batch")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    found, through = measured(options.batches, options.size)
    print("| patch | G | " + " | ".join(f"{w} windows" for w in WINDOWS) + " |")
    print("| --- | --- |" + " --- |" * len(WINDOWS))
    for patch, group in product(PATCHES, GROUPS):
        cells = [with_interval(summary(found[patch, group, w]), ".3f") for w in WINDOWS]
        print(f"| {patch} x {patch} | {group} | {' | '.join(cells)} |")
    for name, cosines in through.items():
        print(f"gradients through a sampled mask, {name}: {with_interval(summary(cosines), '.3f')}")
    if options.figure:
        draw(found, options.figure)


if __name__ == "__main__":
    with told():
        main()
