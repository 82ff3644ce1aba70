"""What `benchmarks/controls.py` compares, and the table that it prints."""

from dataclasses import replace

import numpy as np

from mars_lib.config import PolicyConfig
from mars_lib.evaluation.scoring import LIMIT
from mars_lib.evaluation.statistics import paired_bootstrap
from mars_lib.training.rl_config import RLConfig, ppo_recipe

FROZEN, BASE, FAIR = "frozen start", "supervised continued", "supervised + SI-SDR, sampled mask"
# Metric -> scale, digits and unit of its differences.
UNITS = {
    "si_sdri": (1, 2, "dB"),
    "judge": (100, 1, "percentage points"),
    "reward": (1, 3, "reward"),
}


def rows(run: RLConfig) -> dict[str, RLConfig]:
    """Name of a row -> what is trained. `run` carries steps, batch and validation.

    "recipe" is the default of `mars train rl`: a pathwise gradient of R = sim + 0.03 SI-SDR, WBCE x
    0.3, rewarded by an encoder with heads of the third stage of alignment. "supervised + SI-SDR,
    sampled mask" has the same signal term and sampling and no reward encoder: the fair control.
    "supervised + SI-SDR" uses the mask un-sampled. "PPO on patches" is the score function, 8 x 8
    patches, G = 4, no anchor. "PPO recipe" has the reward of the recipe, and is
    `mars_lib.training.rl_config.ppo_recipe`; "without the encoder" leaves it the signal term and
    the error of each patch. "credit by 8 windows" has larger patches and a stronger anchor too, and
    "similarity alone" is that with four windows.
    """
    patches = PolicyConfig(
        group_size=4, patch=8, entropy_coefficient=0.0, kl_coefficient=0.1, antithetic=True
    )
    pathwise = replace(run, estimator="pathwise", anchor=0.3)
    ours = replace(pathwise, signal_weight=0.03)
    made = ppo_recipe()
    ppo = replace(ours, estimator="score", policy=made.policy, anchor=made.anchor)
    in_time = replace(made.policy, patch=16, credit="whole", reward_windows=8)
    by_windows = replace(ppo, policy=in_time, anchor=3.0)
    # Nothing but the encoder gives credit here, which needs windows of half a second.
    four = replace(in_time, reward_windows=4)
    similar = replace(by_windows, signal_weight=0.0, policy=four)
    return {
        BASE: replace(run, estimator="supervised"),
        "recipe": ours,
        FAIR: replace(ours, reward="signal"),
        "supervised + SI-SDR": replace(ours, estimator="mode", reward="signal"),
        "PPO recipe": ppo,
        "PPO, credit by 8 windows": by_windows,
        "PPO recipe without the encoder": replace(ppo, reward="signal"),
        "PPO recipe, shuffled reward": ppo,
        "PPO, credit by 8 windows, contrastive reward": by_windows,
        "PPO recipe, SI-SDR x 0.1": replace(ppo, signal_weight=0.1),
        "PPO, similarity alone": similar,
        "PPO, similarity alone, no anchor": replace(similar, anchor=0.0),
        "PPO on patches": replace(run, policy=patches),
        "PPO, the paper's defaults": run,
        "recipe, shuffled reward": ours,
        "recipe without SI-SDR": pathwise,
        "PPO on patches, WBCE x 0.3": replace(run, policy=patches, anchor=0.3),
        "PPO on patches, G = 8, SI-SDR x 0.1": replace(
            run, policy=replace(patches, group_size=8), signal_weight=0.1
        ),
        "recipe, un-sampled mask": replace(ours, estimator="mode"),
        "recipe, SI-SDR x 0.1": replace(ours, signal_weight=0.1),
        "recipe, un-sampled mask, SI-SDR x 0.1": replace(ours, estimator="mode", signal_weight=0.1),
    }


def best_rate(row: dict) -> float:
    """The learning rate of a row's search with the best SI-SDRi on the validation split."""
    return float(max(row["search"], key=lambda rate: row["search"][rate]["validation_si_sdri"]))


def table(results: dict[str, dict]) -> str:
    """Means over seeds; differences from `BASE`, `FAIR` and `FROZEN` paired by mixture and seed,
    with 95 % intervals over both.

    A mixture whose score means nothing in one row (silence, rounding) is left out of all.
    """
    # (seeds, mixtures) by row and metric.
    scores = {
        name: {metric: np.array([run[metric] for run in row["runs"].values()]) for metric in UNITS}
        for name, row in results.items()
        if row["runs"]
    }
    every_seed = np.concatenate([by_metric["si_sdri"] for by_metric in scores.values()])
    used = (np.abs(every_seed) < LIMIT).all(axis=0)
    scores = {
        name: {metric: values[:, used] for metric, values in by_metric.items()}
        for name, by_metric in scores.items()
    }
    lines = [f"{(~used).sum()} mixtures left out"] * (not used.all())
    lines += [f"{'':36}{'seeds':>6}{'rate':>7}{'SI-SDRi':>9}{'judge':>8}{'reward':>8}"]
    for name, by_metric in scores.items():
        row, mean = results[name], {metric: v.mean() for metric, v in by_metric.items()}
        rate = f"{best_rate(row):g}" if row["search"] else ""
        lines.append(
            f"{name:36}{len(row['runs']):6}{rate:>7}{mean['si_sdri']:9.2f}"
            f"{100 * mean['judge']:7.1f}%{mean['reward']:8.3f}"
        )
    for base in (BASE, FAIR, FROZEN):
        if base in scores:
            lines += ["", f"against {base}"]
            lines += [
                f"{name:36}{_differences(by_metric, scores[base])}"
                for name, by_metric in scores.items()
                if name != base
            ]
    return "\n".join(lines)


def _differences(ours: dict[str, np.ndarray], base: dict[str, np.ndarray]) -> str:
    cells = ""
    for metric, (scale, digits, unit) in UNITS.items():
        d = paired_bootstrap(ours[metric], base[metric])
        mid, low, high = (f"{scale * x:+.{digits}f}" for x in (d.mean, *d.ci95))
        cells += f"   {mid} [{low}, {high}] {unit}"
    return cells
