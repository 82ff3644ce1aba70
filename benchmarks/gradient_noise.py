"""How much of a PPO gradient is signal: the cosine between gradients of the same mixtures, sampled
twice.

Of the pretrained `separator-small`, by all of its weights, with SI-SDR as the reward, for sides of
patches, sizes of groups and kinds of credit: for the whole estimate, or also by windows or by
patch. 1 would be no noise, 0 nothing but noise. Beside them the gradient through one sampled mask
(pathwise), and its cosine with PPO's of the same patches and the largest group. Means over batches;
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

PATCHES, GROUPS = (1, 4, 8, 16), (2, 4, 8, 16)
CREDIT = {
    "for the whole": {},
    "by 4 windows": {"reward_windows": 4},
    "by 8 windows": {"reward_windows": 8},
    "by patch": {"credit": "patch"},
}


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
) -> tuple[dict[tuple[int, int, str], list], dict[tuple[int, str], list]]:
    """Cosines of pairs of gradients, one a batch of `size` mixtures: of PPO by (patch, group,
    credit); and those with the gradient through a mask.
    """
    start = system.load("separator-small", device="cpu")
    separator = start.separator.requires_grad_(True)
    training = TrainingConfig(batch_size=size, clips_per_class=4, augment=0.0)
    stream = MixtureStream(manifests.music(), "train", training)
    bank = QueryBank.embed(start.encoder, manifests.music(), stream.classes, "train", 2)
    found: dict[tuple[int, int, str], list] = {}
    through: dict[tuple[int, str], list] = {}
    settings = list(product(PATCHES, GROUPS, CREDIT))
    for step in range(batches):
        batch = queried_batch(
            separator, start.encoder, bank, stream.batch(step), 0, step, 9.0, torch.device("cpu")
        )
        bar = tqdm(settings, f"batch {step + 1} of {batches}", disable=not progress)
        largest = {}
        for patch, group, credit in bar:
            config = PolicyConfig(
                patch=patch,
                group_size=group,
                antithetic=True,
                entropy_coefficient=0.0,
                kl_coefficient=0.0,
                **CREDIT[credit],
            )
            pair = [gradient(separator, batch, config, seed) for seed in (0, 1)]
            cosine = torch.cosine_similarity(*pair, dim=0).item()
            found.setdefault((patch, group, credit), []).append(cosine)
            if group == GROUPS[-1]:
                # Of another seed than `one` below: they share no noise.
                largest[patch, credit] = pair[1]
        for patch in PATCHES:
            masks = PolicyConfig(patch=patch)
            one, other = (gradient(separator, batch, masks, seed, True) for seed in (0, 1))
            ppo = {f"PPO's {credit}": largest[patch, credit] for credit in CREDIT}
            for name, second in {"another": other, **ppo}.items():
                cosine = torch.cosine_similarity(one, second, dim=0).item()
                through.setdefault((patch, name), []).append(cosine)
    return found, through


def draw(found: dict[tuple[int, int, str], list], path: Path) -> None:
    """Draw a panel a kind of credit, a line a size of group, with 95 % intervals."""
    curves = {
        f"side of a patch, credit {credit}": {
            f"{patch} x {patch}": {
                f"G = {group}": summary(found[patch, group, credit]) for group in GROUPS
            }
            for patch in PATCHES
        }
        for credit in CREDIT
    }
    save(interval_grid(curves, "cosine of two gradients", sharey=True), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--size", type=int, default=8, help="mixtures of a batch")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    found, through = measured(options.batches, options.size)
    print("| patch | G | " + " | ".join(f"credit {credit}" for credit in CREDIT) + " |")
    print("| --- | --- |" + " --- |" * len(CREDIT))
    for patch, group in product(PATCHES, GROUPS):
        cells = [with_interval(summary(found[patch, group, c]), ".3f") for c in CREDIT]
        print(f"| {patch} x {patch} | {group} | {' | '.join(cells)} |")
    print()
    others = list(dict.fromkeys(name for _, name in through))
    print("| patch | " + " | ".join(f"through a mask, with {name}" for name in others) + " |")
    print("| --- |" + " --- |" * len(others))
    for patch in PATCHES:
        cells = [with_interval(summary(through[patch, name]), ".3f") for name in others]
        print(f"| {patch} x {patch} | {' | '.join(cells)} |")
    if options.figure:
        draw(found, options.figure)


if __name__ == "__main__":
    with told():
        main()
